"""Events, notices and channels that the claims share."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from resources.notifications.events import Event, EventType, Notice, delivery_id
from resources.notifications.failures import Surroundings, job_failure, step_failure
from resources.notifications.port import DEFAULT_LIMITS, Limits, Receipt

T0 = datetime(2026, 5, 1, 10, tzinfo=UTC)


def event(number: int = 0, *, error: str = "OSError: disk gone") -> Event:
    """Return a step failure that is different for each number, and opens no incident."""
    made = step_failure(
        run_id=f"run-{number}",
        job="refresh",
        step_key="load",
        chain=[error],
        at=T0,
        about=Surroundings(),
    )
    return replace(made, incident="")


def failure(number: int = 0, *, job: str = "refresh", at: datetime = T0) -> Event:
    """Return a failed run that opens the incident of its job."""
    made = job_failure(
        run_id=f"run-{number}",
        job=job,
        chain=["OSError: disk gone"],
        failed_steps=(),
        at=at,
        about=Surroundings(),
    )
    return replace(made, incident=f"job/{job}")


def recovery(number: int = 0, *, job: str = "refresh", at: datetime = T0) -> Event:
    """Return the success that closes the incident of its job."""
    return replace(
        failure(number, job=job, at=at),
        event_key=f"JOB_SUCCESS/run-{number}-again",
        event_type=EventType.JOB_SUCCESS,
        title=f"Job {job} works again",
        is_recovery=True,
    )


def notice(number: int = 0, *, channel: str = "file", error: str = "OSError: disk gone") -> Notice:
    """Return the first attempt at delivering `event(number)` to a channel."""
    told = event(number, error=error)
    return Notice(delivery_id(told.event_key, channel), 1, told)


@dataclass
class RecorderChannel:
    """Keeps what it is sent, and raises `error` instead while there is one."""

    name: str = "recorder"
    error: Exception | None = None
    sent: list[Notice] = field(default_factory=list)
    limits: Limits = DEFAULT_LIMITS

    def send(self, notice: Notice) -> Receipt:
        """Keep the notice or raise."""
        if self.error is not None:
            raise self.error
        self.sent.append(notice)
        return Receipt.DELIVERED
