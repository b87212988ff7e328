"""What every channel owes its dispatcher: the suite that each channel's own inherits."""

from dataclasses import replace
from pathlib import Path

import pytest

from resources.errors import TransientError
from resources.notifications.events import Event, Notice, Severity
from resources.notifications.port import Channel, Receipt, limits_of
from tests.notifications.samples import notice

SECRET = "s3cr3t-canary"
NASTY = f'He said "no"\x1b[2J\r\nto é€😀 <b>&amp;</b> \u2028 and \udce9 at amqp://me:{SECRET}@host/x'


def long_notice() -> Notice:
    """Return a notice whose every text is far longer than any service takes."""
    told = notice().event
    facts = replace(
        told.facts,
        what_broke="w" * 20_000,
        how_many="h" * 20_000,
        next_step="n" * 20_000,
        owners=tuple(f"team:{number}" for number in range(2_000)),
    )
    event = replace(told, title="t" * 20_000, facts=facts)
    return replace(notice(), event=event, count=11, others=("o" * 20_000,) * 10)


def resolved(opening: Notice) -> Notice:
    """Return the notice that ends what `opening` told."""
    event: Event = replace(
        opening.event, event_key="over", title="Job works again", is_recovery=True, severity=Severity.INFO
    )
    return replace(opening, delivery_id="ntc_over", event=event, severity=Severity.INFO, is_resolved=True)


class ChannelContract:
    """Inherited by the suite of every channel; subclasses give the channel and what arrived.

    `longest` is the most characters of one notice that the service takes, None where there is no limit.
    """

    longest: int | None = None

    def channel(self, place: Path) -> Channel:
        """Return a new channel object on `place`."""
        raise NotImplementedError

    def broken_channel(self, place: Path) -> Channel:
        """Return a channel whose outside refuses to work."""
        raise NotImplementedError

    def arrived(self, place: Path) -> list[str]:
        """Return the text of every notice that arrived, in order."""
        raise NotImplementedError

    def test_a_notice_arrives_with_its_id(self, tmp_path: Path) -> None:
        assert self.channel(tmp_path).send(notice()) is Receipt.DELIVERED
        (text,) = self.arrived(tmp_path)
        assert notice().delivery_id in text

    def test_a_notice_answers_the_questions_in_order(self, tmp_path: Path) -> None:
        self.channel(tmp_path).send(notice())
        (text,) = self.arrived(tmp_path)
        facts = notice().event.facts
        answers = [facts.what_broke, "2026-05-01T10:00:00", facts.how_many, facts.next_step, facts.link]
        found = [text.rindex(answer) for answer in answers[:-1]]
        assert found == sorted(found)
        assert facts.link in text

    def test_notices_arrive_in_the_order_sent(self, tmp_path: Path) -> None:
        channel = self.channel(tmp_path)
        for number in range(5):
            channel.send(notice(number))
        assert [notice(number).delivery_id in text for number, text in enumerate(self.arrived(tmp_path))] == [
            True
        ] * 5

    def test_the_same_notice_again_says_the_same(self, tmp_path: Path) -> None:
        channel = self.channel(tmp_path)
        channel.send(notice())
        receipt = channel.send(replace(notice(), attempt=2))
        texts = self.arrived(tmp_path)
        assert len(set(texts)) == 1
        assert len(texts) == (1 if receipt is Receipt.ALREADY_DELIVERED else 2)

    def test_hostile_text_neither_breaks_lines_nor_shows_credentials(self, tmp_path: Path) -> None:
        channel = self.channel(tmp_path)
        channel.send(notice(0))
        channel.send(notice(1, error=NASTY))
        plain, text = self.arrived(tmp_path)
        assert text.count("\n") == plain.count("\n")
        assert SECRET not in text
        assert "\x1b" not in text
        assert "\\u001b" not in text

    def test_a_digest_says_how_many_more_there_are(self, tmp_path: Path) -> None:
        digest = replace(notice(), count=7, others=("Job b failed", "Job c failed"))
        self.channel(tmp_path).send(digest)
        (text,) = self.arrived(tmp_path)
        assert "6 more" in text or '"count":7' in text
        assert "Job b failed" in text

    def test_a_recovery_is_told_as_one(self, tmp_path: Path) -> None:
        channel = self.channel(tmp_path)
        channel.send(notice())
        channel.send(resolved(notice()))
        text = self.arrived(tmp_path)[1]
        assert "resolve" in text.lower()

    def test_however_long_a_text_is_the_notice_fits(self, tmp_path: Path) -> None:
        self.channel(tmp_path).send(long_notice())
        (text,) = self.arrived(tmp_path)
        assert long_notice().delivery_id in text
        if self.longest is not None:
            assert len(text) <= self.longest

    def test_an_outage_of_the_outside_is_transient(self, tmp_path: Path) -> None:
        with pytest.raises(TransientError) as raised:
            self.broken_channel(tmp_path).send(notice())
        assert SECRET not in str(raised.value)
        assert raised.value.__cause__ is None or SECRET not in str(raised.value.__cause__)

    def test_neither_repr_nor_limits_show_a_secret(self, tmp_path: Path) -> None:
        channel = self.channel(tmp_path)
        assert SECRET not in repr(channel)
        assert SECRET not in channel.name
        limits = limits_of(channel)
        assert limits.concurrency >= 1
        assert 0 < limits.timeout_s <= 60
