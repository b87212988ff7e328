"""A code location that cannot be loaded while the file `fragile.broken` lies in ACCEPTANCE_HOME."""

import os
from pathlib import Path

import dagster as dg

if (Path(os.environ["ACCEPTANCE_HOME"]) / "fragile.broken").exists():
    raise ImportError("No module named 'prices'")

definitions = dg.Definitions()
