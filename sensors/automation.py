"""The explicit automation sensor; Dagster's implicit one is stopped by default."""

import dagster as dg


def automation_sensor(*assets: str) -> dg.AutomationConditionSensorDefinition:
    """Return the sensor that evaluates the automation conditions of these assets.

    It runs by default: without it the published copy would stay behind after a run that a sensor asked for.
    """
    return dg.AutomationConditionSensorDefinition(
        "automation",
        target=dg.AssetSelection.assets(*assets),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=30,
        description="Refreshes customer_value and the published copy when something before them changed.",
    )
