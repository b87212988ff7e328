"""What is measured: each function runs alone in a process of its own and returns numbers as JSON.

Belongs here: the work itself and the clock around it. Never: repeats, ratios, verdicts, printing.
`benchmarks.worker` calls them; times are seconds and leave out the interpreter's start and imports.
"""
