"""Sorted runs of keys: at which numbers (of loads) a key stands, without reading a column of all keys.

A run is an immutable file that covers a stretch of numbers. Looking a thousand keys up costs a few reads in
each run, however many keys it holds; a scan of the table would read them all. Runs only repeat what the
warehouse holds: they can be made again from it at any time, and are trusted only as far as it goes.
"""

import mmap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from resources.crashpoints import reached
from resources.durable import written_durably
from resources.errors import TransientError

Keys = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.uint32]
# Another for another content: files of earlier versions, `.run`, lack the keys of orders, and are deleted.
_SUFFIX: Final = ".keys"
_BYTES: Final = 12
_MERGED: Final = 8
_MOST_KEYS: Final = 4_000_000


@dataclass(frozen=True, slots=True, order=True)
class Run:
    """The `count` keys of the numbers `first` to `last`; `mark` tells the last from another so numbered."""

    first: int
    last: int
    mark: int
    count: int

    @property
    def name(self) -> str:
        """Return the name of its file, which says it all."""
        return f"{self.first}-{self.last}-{self.mark}-{self.count}{_SUFFIX}"

    @classmethod
    def named(cls, path: Path) -> "Run | None":
        """Return what a file's name says, None when the file is not as long as that."""
        first, last, mark, count = map(int, path.stem.split("-"))
        run = cls(first, last, mark, count)
        return run if path.stat().st_size == count * _BYTES else None


@dataclass(slots=True)
class Runs:
    """The runs in `folder`, which follow each other from number 1 on; for one process at a time.

    `slice_keys` is about how many keys are in memory while runs are merged.
    """

    folder: Path
    slice_keys: int = 262_144

    def whole(self, marks: Mapping[int, int]) -> list[Run]:
        """Return the runs, oldest first, as far as each ends with a number that has its mark in `marks`.

        The others tell of numbers that were taken back, and are deleted.
        """
        trusted: list[Run] = []
        for run in self._found():
            follows = run.first == (trusted[-1].last + 1 if trusted else 1)
            if follows and marks.get(run.last) == run.mark:
                trusted.append(run)
            elif not (trusted and run.last <= trusted[-1].last):
                break
        self._keep_only(trusted)
        return trusted

    def numbers(self) -> list[int]:
        """Return the numbers with which runs end, whether they can be trusted or not."""
        return [run.last for run in self._found()]

    def add(self, run: Run, keys: Keys, numbers: Numbers, trusted: Sequence[Run]) -> list[Run]:
        """Keep a run durably behind those that are trusted; return all of them, of which some may be merged.

        Raises TransientError when it cannot be written.
        """
        try:
            self._write(run, [(keys, numbers)])
            return self._merged([*trusted, run])
        except OSError as error:
            raise TransientError(
                f"the keys of loaded events cannot be kept in {self.folder} ({error})"
            ) from error

    def find(self, wanted: Sequence[Keys], trusted: Sequence[Run]) -> list[Numbers]:
        """Return for each set of keys the numbers at which any of them stands, each once, ascending."""
        ordered = [np.sort(keys) for keys in wanted]
        # All sets in one pass: what costs is to map the file.
        found = [self._find_in(run, ordered) for run in trusted if run.count]
        nothing = np.empty(0, np.uint32)
        return [
            np.unique(np.concatenate([nothing, *(numbers[place] for numbers in found)]))
            for place in range(len(ordered))
        ]

    def _find_in(self, run: Run, ordered: Sequence[Keys]) -> list[Numbers]:
        keys, numbers = self._mapped(run)
        return [numbers[_places(keys, wanted)] for wanted in ordered]

    def _mapped(self, run: Run) -> tuple[Keys, Numbers]:
        # Only for as long as it takes: what was looked at counts as memory of this process. The last
        # reference to it closes it, which may be a debugger's.
        with (self.folder / run.name).open("rb") as file:
            view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return (
            np.frombuffer(view, np.uint64, run.count),
            np.frombuffer(view, np.uint32, run.count, offset=8 * run.count),
        )

    def _found(self) -> list[Run]:
        """Return the runs that are there; of those that begin together the longest comes first."""
        runs = [Run.named(path) for path in self.folder.glob(f"*{_SUFFIX}")]
        return sorted((run for run in runs if run), key=lambda run: (run.first, -run.last))

    def _keep_only(self, trusted: Sequence[Run]) -> None:
        names = {run.name for run in trusted}
        for path in list(self.folder.glob("*")) if self.folder.exists() else []:
            if path.name not in names:
                path.unlink()

    def _merged(self, runs: list[Run]) -> list[Run]:
        """Merge the last runs when so many of about one size follow each other."""
        last = runs[-_MERGED:]
        count = sum(run.count for run in last)
        if len(last) < _MERGED or count > _MOST_KEYS or last[0].count > 2 * last[-1].count:
            return runs
        merged = Run(last[0].first, last[-1].last, last[-1].mark, count)
        self._write(merged, self._slices(last))
        reached("runs.merged")
        kept = [*runs[:-_MERGED], merged]
        self._keep_only(kept)
        return kept

    def _slices(self, runs: Sequence[Run]) -> Iterator[tuple[Keys, Numbers]]:
        """Yield the keys of some runs from the smallest to the greatest, about `slice_keys` at a time."""
        count = -(-sum(run.count for run in runs) // self.slice_keys)
        # Hashes fall everywhere alike.
        bounds = np.array([(1 << 64) * number // count for number in range(1, count)], np.uint64)
        places = {
            run: [0, *np.searchsorted(self._mapped(run)[0], bounds), run.count] for run in runs if run.count
        }
        for number in range(count):
            parts = [self._part(run, *stops[number : number + 2]) for run, stops in places.items()]
            keys, numbers = zip(*parts, strict=True)
            yield np.concatenate(keys), np.concatenate(numbers)

    def _part(self, run: Run, start: int, stop: int) -> tuple[Keys, Numbers]:
        path, count = self.folder / run.name, stop - start
        return (
            np.fromfile(path, np.uint64, count, offset=8 * start),
            np.fromfile(path, np.uint32, count, offset=8 * run.count + 4 * start),
        )

    def _write(self, run: Run, slices: Iterable[tuple[Keys, Numbers]]) -> None:
        """Write a run durably; of slices that follow each other no key is less than one of those before."""
        done = 0
        # Half a run after a loss of power would hide events that were loaded.
        with written_durably(self.folder / run.name) as sink:
            for keys, numbers in slices:
                order = np.argsort(keys)
                sink.seek(8 * done)
                sink.write(keys[order].data)
                sink.seek(8 * run.count + 4 * done)
                sink.write(numbers[order].data)
                done += len(keys)
            reached("runs.written")


def _places(keys: Keys, wanted: Keys) -> npt.NDArray[np.int64]:
    """Return where any of `wanted` stands in `keys`; both ascend."""
    starts = np.searchsorted(keys, wanted)
    inside = np.minimum(starts, len(keys) - 1)
    hits = np.flatnonzero(keys[inside] == wanted)
    # Many events of a batch may name one order, which has many of its own here: each stretch once.
    hits = hits[np.diff(starts[hits], prepend=-1) != 0]
    return _stretches(starts[hits], np.searchsorted(keys, wanted[hits], side="right"))


def _stretches(starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the indices from each start to before its end."""
    lengths = ends - starts
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(lengths.sum())
