"""Claims about the Dagster layer, on real instances in temporary folders."""
