"""The command `orders`, a module for each group of commands.

What this room is: reading arguments, calling one function of another room, and showing what it returned.
What belongs here: options, tables, JSON, progress, exit codes. Heavy imports stand inside the commands,
so that `orders --help` is there at once.
What never does: rules about orders, or SQL that changes anything.
"""
