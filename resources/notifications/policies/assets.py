"""What a selection holds of an asset, by what the event or the asset graph says of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from resources.notifications.events import Event
from resources.notifications.policies.selection import (
    UNLIMITED,
    Attribute,
    Both,
    Either,
    Ends,
    Everything,
    Not,
    Selection,
    Walk,
)


@dataclass(frozen=True, slots=True)
class Asset:
    """One asset as selections see it; `parents` are the keys that it depends on."""

    key: str
    groups: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    location: str = ""
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AssetGraph:
    """All assets by key, for selections that ask for lineage, and for what events leave open."""

    assets: Mapping[str, Asset]

    def select(self, tree: Selection) -> frozenset[str]:
        """Return the keys that a selection names."""
        if isinstance(tree, Walk):
            found = self.select(tree.part)
            return (
                found | self._walk(found, self.parents, tree.up) | self._walk(found, self.children, tree.down)
            )
        if isinstance(tree, Ends):
            found = self.select(tree.part)
            beside = self.parents if tree.side == "roots" else self.children
            return frozenset(key for key in found if not found & set(beside(key)))
        if isinstance(tree, Not):
            return frozenset(self.assets) - self.select(tree.part)
        if isinstance(tree, Both):
            return frozenset.intersection(*(self.select(part) for part in tree.parts))
        if isinstance(tree, Either):
            return frozenset.union(*(self.select(part) for part in tree.parts))
        return frozenset(key for key, asset in self.assets.items() if holds(tree, asset))

    def parents(self, key: str) -> tuple[str, ...]:
        """Return the keys right above."""
        return self.assets[key].parents if key in self.assets else ()

    def children(self, key: str) -> tuple[str, ...]:
        """Return the keys right below."""
        return tuple(other.key for other in self.assets.values() if key in other.parents)

    def _walk(
        self, start: Iterable[str], beside: Callable[[str], tuple[str, ...]], steps: int
    ) -> frozenset[str]:
        reached, edge = set(start), set(start)
        while edge and steps != 0:
            edge = {near for key in edge for near in beside(key)} - reached
            reached |= edge
            steps = steps if steps == UNLIMITED else steps - 1
        return frozenset(reached)


def holds(tree: Selection, asset: Asset) -> bool:
    """Say whether a selection without lineage holds this asset."""
    if isinstance(tree, Everything):
        return True
    if isinstance(tree, Attribute):
        return _has(tree, _values(tree.name, asset))
    if isinstance(tree, Not):
        return not holds(tree.part, asset)
    if isinstance(tree, Both):
        return all(holds(part, asset) for part in tree.parts)
    if isinstance(tree, Either):
        return any(holds(part, asset) for part in tree.parts)
    if isinstance(tree, Walk | Ends):
        raise AssertionError("lineage is resolved on the graph before anything is held against it")
    assert_never(tree)


def assets_of(event: Event) -> Iterator[Asset]:
    """Yield the assets that an event is about, as far as it says."""
    about = event.targets
    for key in about.assets:
        yield Asset(
            key=key,
            groups=about.groups,
            kinds=about.kinds,
            owners=event.facts.owners,
            tags=about.tags,
            location=about.location,
        )


def _values(name: str, asset: Asset) -> Sequence[str]:
    if name == "key":
        return (asset.key,)
    if name == "group":
        return asset.groups
    if name == "kind":
        return asset.kinds
    if name == "owner":
        return asset.owners
    if name == "tag":
        return [*asset.tags, *(f"{key}={value}" for key, value in asset.tags.items())]
    return (asset.location,) if asset.location else ()


def _has(wanted: Attribute, values: Sequence[str]) -> bool:
    if wanted.value is None:
        return not values
    if wanted.pattern is not None:
        return any(wanted.pattern.fullmatch(value) for value in values)
    return wanted.value in values
