"""Obligations as an iCalendar file (RFC 5545), for the calendar a person uses anyway."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from icalendar import Alarm, Calendar, Event

from marketplace.obligations.kinds import KINDS, Obligation, ObligationKind
from marketplace.obligations.reminding import USUAL, Setting, remind_at

MARK: Final = timedelta(minutes=15)
"""How long an entry is. It ends with the deadline: a day that ends at midnight would else stand on the day after it."""
REFRESH: Final = timedelta(hours=1)


def calendar_of(
    rows: Sequence[Obligation], *, name: str, site: str, host: str, now: datetime, setting: Setting = USUAL
) -> bytes:
    """The file: one entry for each, in UTC, with an id that stays, the link to it on ``site``, and an alarm for what the
    reader's company owes, at the time of its reminder."""
    calendar = Calendar()
    calendar.add("prodid", "-//Backstock//Obligations//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", name)
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT1H")
    for row in rows:
        calendar.add_component(_event(row, site.rstrip("/"), host, now, setting))
    return bytes(calendar.to_ical())


def _event(row: Obligation, site: str, host: str, now: datetime, setting: Setting) -> Event:
    event = Event()
    event.add("uid", f"{row.key}@{host}")
    event.add("dtstamp", now)
    begins = row.due if row.kind is ObligationKind.WINDOW_OPENS else row.due - MARK
    event.add("dtstart", begins)
    event.add("dtend", begins + MARK)
    event.add("summary", row.what if row.mine or row.owes is None else f"{row.what} ({row.owes})")
    event.add("description", "\n".join(_lines(row)))
    event.add("url", f"{site}{row.path}")
    event.add("categories", [KINDS[row.kind].words])
    # It takes nobody's time: it marks an end.
    event.add("transp", "TRANSPARENT")
    if row.mine:
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", row.what)
        before = row.due - remind_at(row.kind, row.due, row.started, row.urgency, setting)
        alarm.add("trigger", -before, parameters={"RELATED": "END"})
        event.add_component(alarm)
    return event


def _lines(row: Obligation) -> list[str]:
    """What the entry says: who, to whom, until when as the agreement counts it, and what happens if not."""
    lines = []
    if row.owes:
        lines.append(f"{row.owes}{f', to {row.owed}' if row.owed else ''}")
    lines.append(f"{row.by[0].upper()}{row.by[1:]} ({row.zone})")
    lines.append(row.otherwise)
    if row.agreement and row.agreement != row.reference:
        lines.append(f"Agreement {row.agreement}")
    return lines
