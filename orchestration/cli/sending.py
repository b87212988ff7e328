"""`orders publish` and `orders simulate`: putting messages into the broker."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from orchestration.cli.output import AsJson, counting, show, show_json
from orchestration.cli.parts import parts
from resources.errors import PermanentError

if TYPE_CHECKING:
    from resources.brokers.port import Outgoing

_STDIN = Path("-")
_TELL_EVERY = 10_000


def publish(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Files of one message a line; - is stdin.",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Publish files of one message a line to the broker, bytes untouched.

    Ends with 0 only when all of it is durable there.
    """
    _demand_files(files)
    sizes = [path.stat().st_size for path in files if path != _STDIN and path.is_file()]
    total = sum(sizes) if len(sizes) == len(files) else None
    with parts().broker() as broker, counting("publishing", total) as tell:
        count = broker.publish(_messages(files, tell))
        feed = broker.feed
    if as_json:
        show_json({"feed": feed, "published": count, "files": [str(path) for path in files]})
    else:
        show(f"published {count} messages to feed {feed}")


def simulate(
    rate: Annotated[float, typer.Option(min=0.01, max=100_000, help="Messages per second.")] = 10.0,
    seconds: Annotated[float, typer.Option(min=0.01, help="For how long.")] = 10.0,
    seed: Annotated[
        int | None, typer.Option(help="The same seed gives the same orders; default: new ones each time.")
    ] = None,
    broken: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of broken messages.")] = 0.01,
    as_json: AsJson = False,
) -> None:
    """Play a shop: publish whole lives of orders, some twice, late or broken, at a rate."""
    import secrets
    from datetime import UTC, datetime

    from orchestration.simulate import Shop, keep_pace

    chosen = secrets.randbelow(2**32) if seed is None else seed
    shop = Shop(seed=chosen, started_at=datetime.now(UTC), broken_share=broken)
    total = max(1, round(rate * seconds))
    with parts().broker() as broker, counting("simulating", total) as tell:
        count = 0
        for batch in keep_pace(shop.messages(), rate=rate, total=total):
            count += broker.publish(batch)
            tell(count)
        feed = broker.feed
    if as_json:
        show_json({"feed": feed, "published": count, "seed": chosen})
    else:
        show(f"published {count} messages to feed {feed} (seed {chosen}): `orders run` takes them in")


def _demand_files(files: list[Path]) -> None:
    for path in files:
        if path != _STDIN and (path.is_dir() or not path.exists()):
            problem = "is a folder" if path.is_dir() else "does not exist"
            raise typer.BadParameter(f"{path} {problem}", param_hint="'FILE...'")


def _messages(files: list[Path], tell: Callable[[int], None]) -> "Iterator[Outgoing]":
    from assets.keys import order_key
    from resources.brokers.port import Outgoing

    done = 0
    for path in files:
        for number, line in enumerate(_lines(path)):
            done += len(line)
            if number % _TELL_EVERY == 0:
                tell(done)
            body = line.removesuffix(b"\n")
            yield Outgoing(body, order_key(body))
    tell(done)


def _lines(path: Path) -> Iterator[bytes]:
    if path == _STDIN:
        yield from sys.stdin.buffer
        return
    try:
        with path.open("rb", buffering=1 << 20) as handle:
            yield from _each(handle)
    except OSError as error:
        raise PermanentError(
            f"{path} cannot be read ({error.strerror}): nothing was published, mend it and publish again"
        ) from error


def _each(handle: BinaryIO) -> Iterator[bytes]:
    yield from handle
