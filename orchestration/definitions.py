"""The one root that Dagster loads; nothing is read before it asks."""

import dagster as dg

from orchestration.build import build_definitions
from orchestration.settings import read_settings


@dg.definitions
def definitions() -> dg.Definitions:
    """Return the definitions for the settings of the environment."""
    return build_definitions(read_settings())
