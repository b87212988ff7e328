"""What the platform watches.

What this room is: sensors that ask for runs (backlog, restatement, automation), and the collectors and
hooks that record what went wrong.
What belongs here: a cursor, a look, and either a run request or a recorded event; all of it synchronous.
What never does: delivering a notice, changing data, or waiting for anything: a tick is cut at 60 s.
See docs/adr, and DESIGN.md's facts about Dagster's sensors.
"""
