"""The order contract: what a message must say to count, and what the tables say in return.

What this room is: the one truth from which the validator, the frame schema, the tables and the docs are made.
What belongs here: fields, rules, limits, reasons and tables as data, and `judge`, the exact reference.
What never does: Dagster, DuckDB, frames, reading, writing, the clock, or speed bought with a second opinion.
"""
