"""A default of one party, on which the other may end the agreement: what it is, and since when the time to make it good has
run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from marketplace.agreements.deadlines import counted
from marketplace.agreements.phrases import deadline
from marketplace.agreements.stops import moved_by, stopped_between
from marketplace.agreements.terms import Terms
from marketplace.kit.clock import end_of_day


class Cause(StrEnum):
    """What a party is in default with."""

    ORDER = "order"
    PAYMENT = "payment"
    MISSING = "missing"


class Default(NamedTuple):
    """``reference``: of the order or the line; of missing units the id of what was said of them. ``by_id``: who is in
    default, since ``since``."""

    cause: Cause
    reference: str
    id: UUID
    by_id: UUID
    since: datetime
    words: str


class Own(NamedTuple):
    """Something that the reader's own side missed: what, since when it is a default or will be one (``since``), until when it can
    be made good (None: the time for it has run), how, and what the other side may do."""

    cause: Cause
    reference: str
    since: datetime
    words: str
    until: datetime | None
    make_good: str
    other_may: str


_MAKE_GOOD = {
    Cause.ORDER: "Ship the units",
    Cause.PAYMENT: "Pay it, and both sides say so",
    Cause.MISSING: "Say where the units are once they are found",
}


def own_side(default: Default, terms: Terms, other: str, zone: str, now: datetime) -> Own:
    """A default, or what will be one, as the side sees it that has missed something."""
    section = f"{terms.clause} version {terms.version}, section {'16.3' if terms.clause == 'title-kept' else '16.2'}"
    cover = default.cause is Cause.ORDER and terms.generation == 2 and terms.cover_purchase
    may = ["end the agreement for it by notice"]
    if cover:
        may.insert(0, "buy the units elsewhere and have you pay what it costs more, as section 11.3 says")
    then = f"{other} may {' or '.join(may)} ({section})."
    if default.since > now:
        by = deadline(default.since, zone)
        words = f"{_MAKE_GOOD[default.cause]} by {by}: until then it is no default."
        return Own(
            default.cause, default.reference, default.since, default.words, default.since, words, f"After that {then}"
        )
    words = f"{_MAKE_GOOD[default.cause]}: as long as {other} has done nothing of the kind, that still makes it good."
    return Own(default.cause, default.reference, default.since, default.words, None, words, then)


def default_since(
    clauses: Sequence[Terms],
    last_day: date,
    zone: str,
    events: Sequence[tuple[str, datetime]],
    begun: datetime,
    now: datetime,
) -> datetime:
    """From when something that was to be done by the end of a day, or happened on it at ``begun``, is a default: the time to make
    it good has run, of the clause that leaves most of it. Time in which the agreement stood still (``events``) meanwhile does not
    count; what had run out before is not undone by it."""
    end = end_of_day(last_day, zone)
    started = end - timedelta(microseconds=1)
    cured = max(counted(t, started, t.cure_days, zone) if t.cure_days else end for t in clauses if t.generation == 2)
    since = cured
    while since <= now:
        later = moved_by(cured, stopped_between(events, begun, since), zone)
        if later <= since:
            break
        since = later
    return since
