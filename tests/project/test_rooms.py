"""Imports point one way: orchestration, sensors, assets, resources; pure rooms reach nothing outside."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.settings import PROJECT

_ROOMS = ("resources", "assets", "sensors", "orchestration")
_PURE = {
    "assets/contract": {"msgspec", "pyarrow"},
    "assets/transforms": {"narwhals"},
    "resources/notifications/decisions.py": set[str](),
    "resources/notifications/retry.py": set[str](),
    "resources/notifications/policies": {"msgspec", "yaml"},
    "resources/notifications/events.py": set[str](),
}


def _modules(room: str) -> Iterator[Path]:
    place = PROJECT / room
    yield from sorted(place.rglob("*.py")) if place.is_dir() else [place]


def _imported(path: Path) -> set[str]:
    """Return what a module imports, functions and type checking included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("room", _ROOMS)
def test_a_room_imports_only_rooms_below_it(room: str) -> None:
    above = set(_ROOMS[_ROOMS.index(room) + 1 :])
    wrong = {
        (str(path.relative_to(PROJECT)), name)
        for path in _modules(room)
        for name in _imported(path)
        if name.split(".")[0] in above
    }
    assert wrong == set()


@pytest.mark.parametrize("room", sorted(_PURE))
def test_a_pure_room_knows_neither_dagster_nor_any_adapter(room: str) -> None:
    allowed = _PURE[room] | sys.stdlib_module_names | set(_ROOMS)
    wrong = {
        (str(path.relative_to(PROJECT)), name)
        for path in _modules(room)
        for name in _imported(path)
        if name.split(".")[0] not in allowed
    }
    assert wrong == set()


def test_tests_are_imported_by_no_room() -> None:
    wrong = [
        path
        for room in _ROOMS
        for path in _modules(room)
        if any(name.split(".")[0] in ("tests", "benchmarks", "scripts") for name in _imported(path))
    ]
    assert wrong == []


def test_every_package_says_what_belongs_there() -> None:
    silent = [
        str(path.relative_to(PROJECT))
        for room in _ROOMS
        for path in (PROJECT / room).rglob("__init__.py")
        if "What never does:" not in (ast.get_docstring(ast.parse(path.read_text())) or "")
    ]
    assert silent == []
