"""Files as a source: a folder of daily CSV drops becomes order messages.

What this room is: the way from a foreign export to the landing folder. A mapping (`mapping.py`,
`online_retail.toml`) says which column is which field of the contract; `daily_csv.py` reads one
file; `invoices.py` makes one message of each invoice; `landed.py` knows what has been landed before;
`plan.py` decides what differs; `extract.py` lands it.

What belongs here: reading foreign files, and the order in which things are landed so that a crash
loses and repeats nothing.

What never does: judging an order. A value that cannot be mapped travels as it was, and LOAD rejects
the message with its reason. No warehouse; no Dagster but in `definitions.py`.

To take in another export, copy `online_retail.toml` and change it.
"""
