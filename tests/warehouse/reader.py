"""A reader in a process of its own: for each line of its input it answers with one line.

`hash` gives the full hash of the copy that was open from the start. `loop STOP` opens the copy again and
again until the file STOP exists, and answers with how often, and with what it found wrong.
"""

import sys
from pathlib import Path

import duckdb

from assets.orders.verify import full_hash

_WRONG = """
SELECT sum(landed - accepted - duplicates - rejected) <> 0
    OR sum(accepted) <> (SELECT count(*) FROM order_events)
FROM message_ledger
"""


def loop(copy: Path, stop: Path) -> str:
    """Open the copy until there is a file `stop`; return the number of openings, or what was wrong."""
    openings = events = 0
    while openings == 0 or not stop.exists():
        with duckdb.connect(copy, read_only=True) as connection:
            [(is_wrong,)] = connection.execute(_WRONG).fetchall()
            [(now,)] = connection.execute("SELECT count(*) FROM order_events").fetchall()
        if is_wrong or now < events:
            return f"wrong after {openings} openings"
        openings, events = openings + 1, now
    return str(openings)


def main(copy: Path) -> None:
    """Answer until the input ends."""
    with duckdb.connect(copy, read_only=True) as connection:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        for line in sys.stdin:
            words = line.split()
            answer = full_hash(connection) if words[0] == "hash" else loop(copy, Path(words[1]))
            sys.stdout.write(f"{answer}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
