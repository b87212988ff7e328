"""Where orders arrive.

What this room is: one module a broker, all of the same skeleton (the port of `port.py`), and the URL
that chooses one.
What belongs here: reading in order and in bounded batches, publishing durably, acknowledging, how far it is.
What never does: knowing what a message means, or writing to the landing folder.
See docs/adr/0002-broker-port.md.
"""
