"""Stream mode: one long-lived process that lands, loads and publishes continuously.

What this room is: the tasks of `orders stream` and what they tell each other.
What belongs here: pace, pauses, bounds, giving way, draining; every step itself is a call of another room.
What never does: waiting for Dagster, or losing a message when it is killed.
See docs/adr/0011-stream-mode.md.
"""
