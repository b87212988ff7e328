"""LOAD: from `order_messages` to the current state of every order.

What this room is: decoding, the one transaction that settles a batch, dead letters,
verification, their assets and checks.
What belongs here: everything that decides how a message is settled: accepted, duplicate or rejected.
What never does: brokers, or the rules of the contract and the fold, which have their own rooms.
"""
