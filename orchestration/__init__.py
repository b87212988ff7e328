"""How and when it runs: settings, definitions, jobs, schedules, partitions, and the command `orders`.

What this room is: the only place that knows the environment and puts the other rooms together.
What belongs here: wiring, run control, the Dagster instance, the command line.
What never does: rules about orders, SQL, or the format of anything stored.
"""
