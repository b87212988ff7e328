"""The observers: each looks at one kind of thing and says what is worth telling.

What this room is: small readers of Dagster's storage, its web server, the warehouse and the broker.
What belongs here: a durable cursor, a bounded look, and facts recorded in one transaction with that cursor.
What never does: deciding who hears of it, delivering, changing data, or trusting that it ran in time.
See docs/adr/0022-observers.md.
"""
