"""From the text of `alert_policies.yaml` to policies; every problem with its file, line and key."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from resources.errors import PermanentError
from resources.notifications.policies import document, parts, services
from resources.notifications.policies.assets import AssetGraph
from resources.notifications.policies.compiling import Compiled, compile_policy
from resources.notifications.policies.document import to_document
from resources.notifications.policies.naming import is_same_service
from resources.notifications.policies.policy import Policies, Policy, Problem
from resources.notifications.policies.services import ServiceSpec
from resources.notifications.policies.yaml_text import Path, YamlError, YamlText, parse

_AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]|\[\.\.\.\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(.+)`")
_MISSING = re.compile(r"Object missing required field `(.+)`")


@dataclass(frozen=True, slots=True)
class Checked:
    """What a file holds and what is wrong with it; `policies` holds those without errors."""

    policies: Policies
    errors: tuple[Problem, ...]


def read_policies(text: str, file: str, graph: AssetGraph | None = None) -> Policies:
    """Return the policies of a file's text; raises PermanentError with the first of its errors."""
    checked = check_policies(text, file, graph)
    if not checked.errors:
        return checked.policies
    first, *more = checked.errors
    told = f" (and {len(more)} more: see `orders alerts validate`)" if more else ""
    raise PermanentError(f"{first}{told}")


def check_policies(text: str, file: str, graph: AssetGraph | None = None) -> Checked:
    """Return the policies of a file's text, with all errors and warnings."""
    try:
        return _Check(file, parse(text), graph).run()
    except YamlError as problem:
        return Checked(Policies(), (Problem(file, problem.line, "", str(problem)),))


class _Check:
    def __init__(self, file: str, yaml: YamlText, graph: AssetGraph | None) -> None:
        self._file = file
        self._yaml = yaml
        self._graph = graph
        self._errors: list[Problem] = []
        self._warnings: list[Problem] = []
        self._policies: list[Policy] = []
        self._names: set[str] = set()
        self._services: dict[str, ServiceSpec] = {}

    def run(self) -> Checked:
        for path, data in self._written():
            self._policy(path, data)
        policies = Policies(tuple(self._policies), self._services, tuple(self._warnings))
        return Checked(policies, tuple(self._errors))

    def _written(self) -> list[tuple[Path, object]]:
        data = self._yaml.data
        if not isinstance(data, dict) or "alert_policies" not in data:
            self._error((), "alert_policies", "the file needs the key alert_policies, a list of policies")
            return []
        for key in data.keys() - {"alert_policies"}:
            self._error((key,), key, "the file has the key alert_policies alone")
        policies = data["alert_policies"]
        if isinstance(policies, dict):
            self._warn(("alert_policies",), "alert_policies", "one policy without a list: write - before it")
            return [(("alert_policies",), policies)]
        if policies is None:
            return []
        if not isinstance(policies, list):
            self._error(("alert_policies",), "alert_policies", "this must be a list of policies")
            return []
        return [(("alert_policies", place), each) for place, each in enumerate(policies)]

    def _policy(self, path: Path, data: object) -> None:
        try:
            written = to_document(unfolded(data))
        except msgspec.ValidationError as error:
            self._refused(path, str(error))
            return
        line = self._yaml.line_of(path)
        compiled = compile_policy(written, line, self._graph)
        for fault in compiled.errors:
            self._error([*path, *fault.path], _key(fault.path), fault.text)
        for fault in compiled.warnings:
            self._warn([*path, *fault.path], _key(fault.path), fault.text)
        if written.name in self._names:
            self._error([*path, "name"], "name", f"two policies are called {written.name!r}")
            return
        self._names.add(written.name)
        if written.enabled and compiled.policy is not None and not compiled.errors:
            self._policies.append(compiled.policy)
            self._take(path, compiled)

    def _take(self, path: Path, compiled: Compiled) -> None:
        for name, spec in compiled.services.items():
            if not is_same_service(self._services.setdefault(name, spec), spec):
                told = f"{name} stands for another service in another policy: give each its own x_name"
                self._error([*path, "notification_service"], "notification_service", told)

    def _refused(self, path: Path, text: str) -> None:
        """Turn what msgspec says into a problem at the key in question."""
        where = _AT.search(text)
        inner = _steps(where["path"]) if where else []
        text = _AT.sub("", text)
        if unknown := _UNKNOWN.fullmatch(text):
            name = unknown[1]
            self._error([*path, *inner, name], name, f"no such key{_meant(name)}")
        elif missing := _MISSING.fullmatch(text):
            self._error([*path, *inner], missing[1], "this key is missing")
        else:
            told = text[:1].lower() + text[1:].replace("`", "").replace("object", "mapping")
            self._error([*path, *inner], _key(inner) or "alert_policies", told)

    def _error(self, path: Path, key: str, text: str) -> None:
        self._errors.append(Problem(self._file, self._yaml.line_of(path), key, text))

    def _warn(self, path: Path, key: str, text: str) -> None:
        self._warnings.append(Problem(self._file, self._yaml.line_of(path), key, text))


def unfolded(data: object) -> object:
    """Return the policy with `service_type: slack` and `target_type: …` written as keys of their own."""
    if not isinstance(data, dict):
        return data
    changed = dict(data)
    if isinstance(data.get("notification_service"), dict):
        changed["notification_service"] = _nested(data["notification_service"], "service_type")
    for key in ("alert_targets", "x_exclude"):
        if isinstance(data.get(key), list):
            changed[key] = [_nested(target, "target_type") for target in data[key]]
    return changed


def _nested(data: object, key: str) -> object:
    if not isinstance(data, dict) or not isinstance(data.get(key), str):
        return data
    return {data[key]: {name: value for name, value in data.items() if name != key}}


def _steps(path: str) -> list[str | int]:
    return [int(at) if at else name for name, at in _STEP.findall(path) if at or name]


def _key(path: Sequence[str | int]) -> str:
    return next((part for part in reversed(path) if isinstance(part, str)), "")


_KEYS = sorted(
    {
        name
        for module in (parts, services, document)
        for struct in vars(module).values()
        if isinstance(struct, type) and issubclass(struct, msgspec.Struct)
        for name in struct.__struct_fields__
    }
)


def _meant(name: str) -> str:
    near = difflib.get_close_matches(name, _KEYS, n=1)
    return f": did you mean {near[0]}?" if near else ""
