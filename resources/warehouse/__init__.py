"""The warehouse: one DuckDB file with one writer, and the read-only copies that readers open.

What this room is: the lease around the file, its schema, and publishing.
What belongs here: connections, locks, checkpoints, block copies.
What never does: what the tables mean, or when they are written.
See docs/adr/0003-one-writer-published-copies.md.
"""
