"""What is said of each kind of obligation, when somebody is reminded of it, and how it stands in a calendar: pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar

from marketplace.kit.clock import end_of_day
from marketplace.obligations.feed import calendar_of
from marketplace.obligations.kinds import KINDS, WINDOWS, Obligation, ObligationKind
from marketplace.obligations.reminding import SHOWN, Setting, digest, remind_at
from marketplace.parties.actor import VERBS

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
ID = UUID(int=7)


def due(kind: ObligationKind, when: datetime = NOW + timedelta(days=2), **changed: object) -> Obligation:
    row = Obligation(
        kind=kind, subject_id=ID, mine=True, due=when, started=NOW, zone="America/Chicago", owes_id=UUID(int=1), owes="Holder",
        owed_id=UUID(int=2), owed="Maker", record_id=ID, reference="REF-1", agreement_id=ID, agreement="AGR-1",
        part_number="100-A", description="PUMP", uom="EA", quantity=3, amount=Decimal("85.00"), currency="USD", detail="",
        urgency="",
    )  # fmt: skip
    return replace(row, **changed)


@pytest.mark.parametrize("kind", ObligationKind)
def test_every_kind_says_what_and_what_if_not(kind: ObligationKind) -> None:
    row = due(kind)
    assert row.what
    assert row.otherwise.endswith(".")
    assert row.path.startswith("/")
    assert row.key == f"{kind.value}-{ID}"
    assert KINDS[kind].verb in VERBS
    assert KINDS[kind].acts in VERBS


def test_the_clause_decides_what_silence_means() -> None:
    assert "commitment" in due(ObligationKind.ANSWER_CALL, detail="accepted").otherwise
    assert "refusal" in due(ObligationKind.ANSWER_CALL, detail="refused").otherwise


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("America/Chicago", date(2026, 11, 1)),  # 25 hours long
        ("America/Chicago", date(2026, 3, 8)),  # 23 hours long
        ("Pacific/Kiritimati", date(2026, 11, 30)),
        ("Pacific/Pago_Pago", date(2026, 11, 30)),
        ("Australia/Lord_Howe", date(2026, 4, 5)),
        ("Asia/Kathmandu", date(2026, 12, 31)),
    ],
)
def test_a_last_day_is_told_and_never_the_midnight_after_it(zone: str, day: date) -> None:
    row = due(ObligationKind.SHIP_CALL, end_of_day(day, zone), zone=zone)
    assert row.by == f"by the end of {day.day} {day:%b %Y}"
    assert row.on(zone) == day
    assert not row.overdue(row.due - timedelta(seconds=1))
    assert row.overdue(row.due)


@pytest.mark.parametrize("zone", ["America/Chicago", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_window_opens_on_its_first_day(zone: str) -> None:
    opens = end_of_day(date(2026, 11, 30), zone)
    row = due(ObligationKind.WINDOW_OPENS, opens, zone=zone)
    assert (row.by, row.on(zone)) == ("from 1 Dec 2026", date(2026, 12, 1))
    assert not row.overdue(opens + timedelta(days=1))


def test_an_hour_is_told_with_its_zone() -> None:
    assert due(ObligationKind.ANSWER_CALL, datetime(2026, 11, 29, 20, 5, tzinfo=UTC)).by == "by 29 Nov 2026, 14:05 CST"


@pytest.mark.parametrize(
    ("kind", "urgency", "whole", "before"),
    [
        (ObligationKind.ANSWER_CALL, "machine_down", timedelta(hours=8), timedelta(hours=2)),
        (ObligationKind.ANSWER_CALL, "machine_down", timedelta(hours=2), timedelta(hours=1)),
        (ObligationKind.ANSWER_CALL, "urgent", timedelta(days=5), timedelta(hours=24)),
        (ObligationKind.SHIP_CALL, "stock_order", timedelta(days=5), timedelta(hours=24)),
        (ObligationKind.ANSWER_ORDER, "", timedelta(hours=48), timedelta(hours=24)),
        (ObligationKind.WINDOW_CLOSES, "", timedelta(days=900), timedelta(days=7)),
        (ObligationKind.SETTLE, "", timedelta(days=30), timedelta(days=7)),
        (ObligationKind.SECURITY_LAPSES, "", timedelta(days=900), timedelta(days=30)),
        (ObligationKind.DECIDE_RENEWAL, "", timedelta(days=900), timedelta(days=30)),
    ],
)
def test_when_somebody_is_reminded(kind: ObligationKind, urgency: str, whole: timedelta, before: timedelta) -> None:
    assert remind_at(kind, NOW + whole, NOW, urgency) == NOW + whole - before
    if before > timedelta(hours=20):
        other = Setting(hours_before=3, days_before=2)
        expected = before if KINDS[kind].early else timedelta(days=2) if KINDS[kind].long else timedelta(hours=3)
        assert remind_at(kind, NOW + whole, NOW, urgency, other) == NOW + whole - expected


def test_a_stopped_machine_without_a_start_is_warned_an_hour_before() -> None:
    for started in (None, NOW + timedelta(days=1)):
        assert remind_at(ObligationKind.ANSWER_CALL, NOW, started, "machine_down") == NOW - timedelta(hours=1)


def test_one_mail_says_what_is_overdue_first_and_how_much_more_there_is() -> None:
    ahead = [due(ObligationKind.ANSWER_CALL, subject_id=UUID(int=n)) for n in range(SHOWN)]
    mail = digest(ahead, [due(ObligationKind.SETTLE, mine=False)])
    assert mail.subject == "1 deadline passed, 20 coming up"
    assert mail.text.index("Overdue") < mail.text.index("Due soon")
    assert "(Holder)" in mail.text
    assert mail.text.endswith("And 1 more in the calendar.")
    assert mail.text.count("\n- ") == SHOWN
    single = digest([due(ObligationKind.SETTLE)], [])
    assert single.subject == "Pay 85.00 USD, REF-1, by 1 Dec 2026, 06:00 CST"


def test_a_feed_is_read_back_with_its_moments_links_and_alarms() -> None:
    rows = [
        due(kind, end_of_day(date(2026, 11, 1), "America/Chicago"), subject_id=UUID(int=n), mine=n % 2 == 0)
        for n, kind in enumerate(ObligationKind)
    ]
    body = calendar_of(rows, name="Backstock: Ünï", site="https://b.example/", host="b.example", now=NOW)
    found = Calendar.from_ical(body)
    events = list(found.walk("VEVENT"))
    assert [str(e["UID"]) for e in events] == [f"{r.key}@b.example" for r in rows]
    assert str(found["X-WR-CALNAME"]) == "Backstock: Ünï"
    for event, row in zip(events, rows, strict=True):
        begins, ends = event["DTSTART"].dt, event["DTEND"].dt
        assert begins.utcoffset() == timedelta(0)
        if row.kind is ObligationKind.WINDOW_OPENS:
            assert begins == row.due
        else:
            # It stands on its last day wherever that is, and ends with the deadline.
            assert ends == row.due
            assert begins.astimezone(ZoneInfo(row.zone)).date() == row.on(row.zone)
        assert str(event["URL"]) == f"https://b.example{row.path}"
        assert row.otherwise in str(event["DESCRIPTION"])
        alarms = event.walk("VALARM")
        assert len(alarms) == (1 if row.mine else 0)
        for alarm in alarms:
            assert alarm["TRIGGER"].params["RELATED"] == "END"
            assert row.due + alarm["TRIGGER"].dt == remind_at(row.kind, row.due, row.started, row.urgency)
    again = calendar_of(rows, name="x", site="https://b.example", host="b.example", now=NOW + timedelta(days=1))
    assert [str(e["UID"]) for e in Calendar.from_ical(again).walk("VEVENT")] == [str(e["UID"]) for e in events]


def test_windows_are_planned_ahead_and_nothing_lingers_that_the_clock_ends() -> None:
    assert all(KINDS[kind].long for kind in WINDOWS)
    assert {kind for kind, about in KINDS.items() if about.lingers} == {
        ObligationKind.SHIP_CALL, ObligationKind.SETTLE, ObligationKind.SECURITY_LAPSES,
        ObligationKind.DELIVER_CALL, ObligationKind.ANSWER_DISPUTE,
        ObligationKind.EXPLAIN_SHORTAGE, ObligationKind.RETURN_REST, ObligationKind.ANSWER_RECALL,
        ObligationKind.SHIP_ORDER, ObligationKind.ANSWER_DIFFERENCE, ObligationKind.ANSWER_RETURN, ObligationKind.SEND_RETURN,
    }  # fmt: skip
