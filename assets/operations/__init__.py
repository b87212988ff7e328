"""Operations: what keeps the warehouse readable and recoverable.

What this room is: the assets that are made from the warehouse as a whole, such as the published copy.
What belongs here: publishing, later also exports, backups and compaction.
What never does: changing a row of a table.
"""
