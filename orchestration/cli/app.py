"""All commands of `orders`, put together."""

from typing import Annotated

import typer

from orchestration.cli import alerts, pipeline, reading, recovery, rejects, sending, servers, services

app = typer.Typer(
    name="orders",
    help="Orders in, tables that add up, nobody left unnotified.",
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def orders(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Orders in, tables that add up, nobody left unnotified.

    Settings come from the environment or `.env`: see `.env.example`. Exit codes: 0 done, 1 failed, 2
    wrong use.
    """


app.command()(pipeline.demo)
app.command()(services.up)
app.command()(sending.publish)
app.command()(pipeline.run)
app.command()(pipeline.stream)
app.command()(reading.status)
app.command()(reading.query)
app.add_typer(alerts.app, name="alerts", help="Who hears of what, and what became of it.")
app.add_typer(rejects.app, name="rejects", help="Dead letters: messages that break the contract.")
app.command()(recovery.rebuild)
app.command()(recovery.verify)
app.command()(sending.simulate)
app.add_typer(
    servers.app,
    name="servers",
    help="Real brokers and PostgreSQL on this machine, for development and tests.",
)
app.command(hidden=True)(services.dispatch)
