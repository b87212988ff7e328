"""Dagster hears of the stream, later when it is away, and is never waited for."""

from pathlib import Path

import dagster as dg

from orchestration.instance import open_instance
from orchestration.settings import Settings
from tests.orders.samples import order
from tests.stream.running import Running, settings_of, soon


def told(settings: Settings, asset: str, name: str) -> int:
    """Return the sum of a number over all materializations of an asset."""
    with open_instance(settings) as instance:
        records = instance.fetch_materializations(dg.AssetKey(asset), 100).records
    events = [record.asset_materialization for record in records]
    return sum(int(str(event.metadata[name].value)) for event in events if event is not None)


def test_with_dagster_away_ingestion_goes_on_and_it_catches_up_when_it_is_back(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, stream_tell_s=1.0)
    # Where its home should be, there is a file: whatever asks Dagster fails.
    settings.dagster_home.write_text("")
    with Running(settings) as stream:
        stream.sends([order("o-1")])
        assert stream.has_loaded(1)
        assert soon(lambda: stream.state.untold > 0)
        stream.sends([order("o-2"), order("o-3")])
        assert stream.has_loaded(3)
        settings.dagster_home.unlink()
        assert soon(lambda: stream.state.told.loaded == 3)
    assert told(settings, "message_ledger", "messages loaded") == 3
    assert told(settings, "order_messages", "messages landed") == 3
    with open_instance(settings) as instance:
        assert instance.fetch_observations(dg.AssetKey(["feeds", "inbox"]), 1).records
