"""Where notices go: one module a channel, all behind the port of `resources.notifications.port`.

What this room is: how a notice reads (`message`, `cloud_event`), how each service wants it, and the guarded
way to the network (`guard`, `http`).
What belongs here: handing one notice over, the limits of each service as data, and what its answers mean.
What never does: deciding, retrying, waiting longer than a channel's own time limit, or showing a secret.
See docs/notifications.md.
"""
