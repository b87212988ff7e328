"""Who hears of what: `alert_policies.yaml`, read, checked and applied, without any input or output.

What this room is: the file's format (`document`), from text to policies with line numbers (`reading`), what
a policy selects (`targets`, `selection`), which policies an event matches (`matching`), and what follows
from a match (`deciding`, `absence`).
What belongs here: pure functions of policies, events, time and open incidents.
What never does: reading files, the environment or a clock, storing anything, sending anything.
See docs/notifications.md and docs/adr/0020-policies-in-dagster-plus-format.md.
"""
