"""How a notice reads: title, then what broke, since when, how many, who owns it, what to do next, a link.

Texts of events come from outside: every one is made a single printable line without URL credentials, and
cut to what the service takes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from resources.notifications.events import EventType, Notice, one_line


@dataclass(frozen=True, slots=True)
class PolicyWords:
    """What a policy adds to its notices; empty texts add nothing. `template` is Jinja, of the whole text."""

    description: str = ""
    owner: str = ""
    next_step: str = ""
    template: str = ""


@dataclass(frozen=True, slots=True)
class TextLimits:
    """The most characters that a service takes: of a title, of one answer, of the whole text."""

    title: int
    answer: int
    text: int


@dataclass(frozen=True, slots=True)
class Message:
    """A notice in words. `answers` are (question, answer) in reading order, `link` the last of them."""

    notice_id: str
    title: str
    severity: str
    is_resolved: bool
    answers: tuple[tuple[str, str], ...]
    others: tuple[str, ...]
    link: str
    policy: str
    description: str
    tokens: Mapping[str, str] = field(repr=False)

    def text(self, limits: TextLimits) -> str:
        """Return the message as lines of text, the id last, so that it survives every cut."""
        lines = [self.title, *(f"{asked}: {told}" for asked, told in self.answers)]
        lines += [f"also: {other}" for other in self.others]
        if self.description:
            lines.append(f"policy: {self.description}")
        body = "\n".join(clip(line, limits.answer) for line in lines)
        last = f"\nid: {self.notice_id}"
        return clip(body, limits.text - len(last)) + last


def compose(notice: Notice, words: PolicyWords, limits: TextLimits) -> Message:
    """Return the message of a notice, its texts cut to the limits."""
    event, facts = notice.event, notice.event.facts
    state = "RESOLVED" if notice.is_resolved else notice.severity.value.upper()
    title = clip(one_line(f"[{state}] {event.title}{_more(notice)}"), limits.title)
    told = dict(facts.answers())
    if words.owner and not facts.owners:
        told["owner"] = words.owner
    if words.next_step:
        told["next"] = words.next_step
    answers = tuple((asked, clip(one_line(answer), limits.answer)) for asked, answer in told.items())
    return Message(
        notice_id=one_line(notice.delivery_id),
        title=title,
        severity=notice.severity.value,
        is_resolved=notice.is_resolved,
        answers=answers,
        others=tuple(clip(one_line(other), limits.answer) for other in notice.others),
        link=_link(facts.link),
        policy=notice.policy,
        description=clip(one_line(words.description), limits.answer),
        tokens=tokens(notice, title, answers),
    )


def clip(text: str, most: int) -> str:
    """Return the text with at most so many characters, an ellipsis in place of what is cut."""
    return text if len(text) <= most else text[: max(most - 1, 0)] + "…"


def tokens(notice: Notice, title: str, answers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Return what `{{tokens}}` in a template stand for: Dagster+'s names, and each of the answers."""
    event, about = notice.event, notice.event.targets
    told = {asked.replace(" ", "_"): answer for asked, answer in answers}
    return {
        **told,
        "alert_summary": title,
        "alert_content": "\n".join(f"{asked}: {answer}" for asked, answer in answers),
        "alert_policy_name": notice.policy,
        "alert_policy_id": notice.policy,
        "notification_type": event.event_type.value.split("_")[0],
        "event_type": event.event_type.value,
        "is_sample": str(notice.event.event_key.startswith("sample/")).lower(),
        "deployment_name": about.location,
        "deployment_url": _origin(event.facts.link),
        "job_name": about.job,
        "run_id": about.run_id,
        "run_link": _link(event.facts.link),
        "run_status": "SUCCESS" if event.event_type is EventType.JOB_SUCCESS else "FAILURE",
        "failure_message": told.get("what_broke", ""),
        "asset_key": ", ".join(about.assets),
        "asset_name": ", ".join(key.rsplit("/", 1)[-1] for key in about.assets),
        "location_name": about.location,
        "location_link": _link(event.facts.link),
        "instigator_name": about.instigator,
        "instigator_type": str(event.details.get("instigator_type", "")),
        "start_time": event.occurred_at.isoformat(timespec="seconds"),
        "severity": notice.severity.value,
        "notice_id": notice.delivery_id,
    }


def _more(notice: Notice) -> str:
    return f" (and {notice.count - 1} more)" if notice.count > 1 else ""


def _link(link: str) -> str:
    """Return a link that is one, "" for anything else: services refuse the whole message for a bad one."""
    line = one_line(link)
    return line if line.startswith(("http://", "https://")) and " " not in line else ""


def _origin(link: str) -> str:
    return "/".join(_link(link).split("/")[:3])
