"""Kill -9 of collectors and dispatchers at random moments, an outage, and a fifth of all answers faulty.

By default a hundred events and eight kills; `make faults` takes 10,000 events and 200 kills on each store,
and ORDERS_FAULTS_EVENTS=100000 as many as that says.
"""

import os
import random
import time

import pytest

from resources.notifications.outbox import Outbox
from tests.marks import IS_FULL, in_checks
from tests.notifications.killing import Scene, Webhook, serving

EVENTS = int(os.environ.get("ORDERS_FAULTS_EVENTS") or (10_000 if IS_FULL else 120))
KILLS = 200 if IS_FULL else 8
OUTAGE_S = 20.0 if IS_FULL else 1.0
DRAIN_S = 3_000 if IS_FULL else 150

pytestmark = [pytest.mark.faults, in_checks, pytest.mark.timeout(2 * DRAIN_S)]


def test_random_kills_and_a_faulty_channel_lose_nothing(location: str) -> None:
    rng = random.Random(7)
    back_at: float | None = None
    webhook = Webhook(faulty=0.2)
    Outbox(location).close()
    with serving(webhook) as port:
        # Recording goes on for as long as the kills, however many events there are.
        pause_s = 0.3 * 10_000 / EVENTS if IS_FULL else 0.2
        scene = Scene(location, EVENTS, port, webhook, dispatchers=2 if IS_FULL else 1, pause_s=pause_s)
        scene.start()
        try:
            while scene.kills < KILLS:
                if scene.kills == KILLS // 2 and back_at is None:
                    webhook.is_away, back_at = True, time.monotonic() + OUTAGE_S
                if back_at is not None and time.monotonic() > back_at:
                    webhook.is_away = False
                scene.kill(rng.randrange(len(scene.running)), rng.uniform(0.0, 0.5))
            webhook.is_away = False
            scene.wait_until_delivered(DRAIN_S)
        finally:
            scene.end()
        assert scene.broken_promises() == set()
        assert scene.kills >= KILLS


def test_in_a_calm_run_everything_arrives_exactly_once(location: str) -> None:
    webhook = Webhook()
    Outbox(location).close()
    with serving(webhook) as port:
        scene = Scene(location, EVENTS, port, webhook, dispatchers=2, lease_s=100.0)
        scene.start()
        try:
            scene.wait_until_delivered(DRAIN_S)
        finally:
            scene.end()
        assert scene.broken_promises() == set()
        assert set(webhook.arrived.values()) == {1}
