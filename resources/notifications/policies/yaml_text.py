"""YAML as plain data, with the line of everything in it; bounded, so that a hostile file does no harm."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

Path: TypeAlias = Sequence[str | int]
_MAX_NODES = 200_000


class YamlError(ValueError):
    """A text that is not the YAML we take; `line` counts from 1."""

    def __init__(self, line: int, problem: str) -> None:
        """Keep where and what."""
        super().__init__(problem)
        self.line = line


@dataclass(slots=True)
class YamlText:
    """A parsed text: `data` is plain, `line_of` finds a path in it."""

    data: object
    root: yaml.Node | None = field(repr=False)

    def line_of(self, path: Path) -> int:
        """Return the line of what stands at `path`, or of the nearest thing around it."""
        node = self.root
        line = 1 if node is None else _line(node)
        for part in path:
            found = _child(node, part)
            if found is not None:
                node, line = found
        return line


def parse(text: str) -> YamlText:
    """Parse one YAML document; raises YamlError."""
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return YamlText(None, None)
        return YamlText(_Reader(loader).read(root), root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        raise YamlError(line, error.problem or "this is no YAML") from error
    except yaml.YAMLError as error:
        raise YamlError(1, " ".join(str(error).split())) from error
    finally:
        loader.dispose()


_Base = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class _Loader(_Base):  # type: ignore[misc, valid-type]
    """Plain data only; times of day and dates stay texts, where YAML 1.1 makes numbers of `22:00`."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


def _teach(tag: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


_teach("bool", r"^(?:(?i:yes|no|true|false|on|off))$", "yYnNtTfFoO")
_teach("null", r"^(?:~|null|Null|NULL|)$", "~nN")
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^$"), [""])
_teach("int", r"^[-+]?(?:0|[1-9][0-9_]*)$", "-+0123456789")
_teach("float", r"^[-+]?[0-9][0-9_]*(?:\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)$", "-+0123456789")
_teach("merge", r"^(?:<<)$", "<")


@dataclass(slots=True)
class _Reader:
    """Makes plain data of nodes, each node once, however many aliases point at it."""

    loader: yaml.SafeLoader
    made: dict[int, tuple[object, int]] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)

    def read(self, node: yaml.Node) -> object:
        return self._sized(node)[0]

    def _sized(self, node: yaml.Node) -> tuple[object, int]:
        known = self.made.get(id(node))
        if known is not None:
            return known
        if id(node) in self.open:
            raise YamlError(_line(node), "this refers to itself")
        self.open.add(id(node))
        made = self._make(node)
        if made[1] > _MAX_NODES:
            raise YamlError(_line(node), f"this holds more than {_MAX_NODES} values: split it")
        self.open.discard(id(node))
        self.made[id(node)] = made
        return made

    def _make(self, node: yaml.Node) -> tuple[object, int]:
        if isinstance(node, yaml.SequenceNode):
            items = [self._sized(child) for child in node.value]
            return [data for data, _ in items], 1 + sum(size for _, size in items)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        return self.loader.construct_object(node), 1

    def _mapping(self, node: yaml.MappingNode) -> tuple[object, int]:
        _demand_distinct(node)
        self.loader.flatten_mapping(node)
        made: dict[str, object] = {}
        total = 1
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise YamlError(_line(key), "a key must be a plain text")
            made[key.value], size = self._sized(value)
            total += size
        return made, total


def _demand_distinct(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value in seen and key.value != "<<":
            raise YamlError(_line(key), f"the key {key.value!r} stands here twice")
        seen.add(str(key.value))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _child(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node, int] | None:
    """Return a child and its line: that of its key in a mapping."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        child = node.value[part]
        return child, _line(child)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == part:
                return value, _line(key)
    return None
