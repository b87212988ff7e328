"""Dagster's own helpers, ticked as its daemon ticks them: the cursor of a tick that fails is not kept."""

from collections.abc import Callable
from dataclasses import dataclass, field

import dagster as dg

Alert = Callable[[str], dg.SkipReason | None]
"""What a user puts into a stock sensor: it is given a run's id."""


@dataclass
class Stock:
    """The sensors of one daemon, each with the cursor that its name has there."""

    instance: dg.DagsterInstance
    cursors: dict[str, str | None] = field(default_factory=dict)

    def tick(self, sensor: dg.SensorDefinition, *, keeps_cursor: bool = True) -> Exception | None:
        """Evaluate once; `keeps_cursor` is false for a tick that was cut, or whose daemon was killed."""
        context = dg.build_sensor_context(self.instance, cursor=self.cursors.get(sensor.name))
        try:
            data = sensor.evaluate_tick(context)
        except Exception as error:  # noqa: BLE001 - whatever a body raises, the daemon notes and goes on
            return error
        if keeps_cursor:
            self.cursors[sensor.name] = data.cursor
        return None


def failure_sensor(alert: Alert, *, name: str = "alerts") -> dg.SensorDefinition:
    """Return a run failure sensor as users write it."""

    @dg.run_failure_sensor(name=name)
    def alerts(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
        return alert(context.dagster_run.run_id)

    return alerts


def asset_sensor(alert: Alert) -> dg.SensorDefinition:
    """Return an asset sensor as users write it."""

    @dg.asset_sensor(asset_key=dg.AssetKey("sound"), job_name="refresh")
    def materialized(context: dg.SensorEvaluationContext, event: dg.EventLogEntry) -> dg.SkipReason:
        alert(event.run_id)
        return dg.SkipReason("told")

    return materialized
