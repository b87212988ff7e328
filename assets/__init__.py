"""What data exists: every dataset of the platform, from raw messages to reports.

What this room is: the flow itself, in this order: contract, landing and files, orders,
reports; transforms beside them.
What belongs here: software-defined assets, thin, and the functions that they call; checks.
What never does: schedules, sensors, the command line, or a connection opened at import.
"""
