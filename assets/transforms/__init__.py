"""What the tables say, as functions from frames to frames.

What this room is: the fold of events to orders, lines, customers and anomalies, and the reports, in narwhals.
What belongs here: lazy expressions in one dialect, so that Polars, DuckDB and Spark give the same rows.
What never does: an engine, SQL, reading, writing, the clock, or a rule on what makes a message valid.
"""
