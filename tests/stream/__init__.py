"""Stream mode, in this process or one of its own, beside batch mode, without Dagster, until it is stopped."""
