"""Figures with their targets, as text and as JSON."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import duckdb


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value; with a target, which it must not exceed or, for `at_least`, not fall below."""

    name: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """`meets`, `misses`, or nothing where no target is set."""
        if self.target is None:
            return ""
        is_met = self.value >= self.target if self.at_least else self.value <= self.target
        return "meets" if is_met else "misses"


@dataclass(slots=True)
class Report:
    """What one benchmark found; `details` are lines for people, for example a profile."""

    benchmark: str
    subject: str
    figures: list[Figure] = field(default_factory=list)
    details: list[str] = field(default_factory=list)

    def add(
        self, name: str, value: float, unit: str, *, target: float | None = None, at_least: bool = False
    ) -> None:
        """Add a figure."""
        self.figures.append(Figure(name, value, unit, target, at_least))

    def as_json(self) -> dict[str, object]:
        """Return the report as a JSON object."""
        figures = [{**asdict(figure), "verdict": figure.verdict or None} for figure in self.figures]
        return {
            "benchmark": self.benchmark,
            "subject": self.subject,
            "figures": figures,
            "details": self.details,
        }

    def as_text(self) -> str:
        """Return the report as a table for people."""
        lines = [f"{self.benchmark}: {self.subject}"]
        width = max((len(figure.name) for figure in self.figures), default=0)
        for figure in self.figures:
            limit = ""
            if figure.target is not None:
                limit = f"{'>=' if figure.at_least else '<='} {figure.target:g}"
            value = f"{_short(figure.value):>12} {figure.unit:<9}"
            lines.append(f"  {figure.name:<{width}}  {value} {limit:<10} {figure.verdict}".rstrip())
        return "\n".join([*lines, *(f"  {line}" for line in self.details)])


def machine() -> dict[str, object]:
    """Return what the numbers depend on, the load by others at this moment included."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "load_average": [round(value, 2) for value in os.getloadavg()],
        "kernel": platform.release(),
        "python": platform.python_version(),
        "duckdb": duckdb.__version__,
    }


def spread(values: Sequence[float]) -> str:
    """Return the least and the greatest of repeats, in milliseconds."""
    return f"{min(values) * 1e3:,.0f} to {max(values) * 1e3:,.0f} ms in {len(values)} repeats"


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
