"""How fast, how cheap and how constant it is: ratios measured in one run, against named targets.

Belongs here: a deterministic shop, the measured things (each in a process of its own), the benchmarks
that compare them. Never: claims that a test should hold, and timings that fail a build.
Start with `python -m benchmarks --help`; DESIGN.md holds the targets.
"""
