"""LAND: from the broker to `order_messages`, the system of record.

What this room is: the one function that moves messages from any broker into segments, and its asset.
What belongs here: the order of effects that makes P1 hold (durable first, acknowledge after).
What never does: looking into a message.
"""
