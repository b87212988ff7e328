"""What the platform talks to.

What this room is: adapters to disks, brokers, the warehouse file and notification channels,
each behind a small port.
What belongs here: connections, locks, file formats, durability, the errors of the outside mapped to ours.
What never does: Dagster definitions other than resources, the order contract, any decision about the data.
See docs/adr/0001-segments-are-the-record.md.
"""
