"""Windows and clocks. Every deadline is computed once, from the moment of notice, and stored by the caller.

Days are calendar days and end at midnight of the site's zone, so a day that daylight saving makes 23 or 25
hours long is still one day. Hours are exact hours. Deadlines are exclusive UTC bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from marketplace.agreements.facts import Facts
from marketplace.agreements.terms import Terms, Urgency
from marketplace.kit.clock import add_months, end_of_day, local_day, require_utc


@dataclass(frozen=True, slots=True)
class Window:
    """The days on which notice may be given, both inclusive, and the same as UTC bounds [opens, closes)."""

    first_day: date
    last_day: date
    opens: datetime
    closes: datetime


def window(terms: Terms, facts: Facts) -> Window:
    """When the right can be exercised: months after the schedule date, longer by days of suspension."""
    return _window(
        facts.schedule_date, terms.window_start_months, terms.window_end_months, facts.tolled_days, facts.zone
    )


# A schedule is evaluated over and over with the same window; time zone arithmetic is the dearest part of it.
@lru_cache(maxsize=32_768)
def _window(schedule_date: date, start_months: int, end_months: int, tolled_days: int, zone: str) -> Window:
    first = add_months(schedule_date, start_months)
    last = add_months(schedule_date, end_months) + timedelta(days=tolled_days)
    return Window(first, last, end_of_day(first - timedelta(days=1), zone), end_of_day(last, zone))


@lru_cache(maxsize=4096)
def after_days(start: datetime, days: int, zone: str) -> datetime:
    """The end of the calendar day that is ``days`` after the local day of ``start``; raises ``time.naive``."""
    return end_of_day(local_day(require_utc(start), zone) + timedelta(days=days), zone)


def respond_by(terms: Terms, urgency: Urgency, notice_at: datetime, zone: str) -> datetime:
    """Until when the holder may accept or refuse."""
    if urgency is Urgency.MACHINE_DOWN:
        return notice_at + timedelta(hours=terms.respond_hours_machine_down)
    days = terms.respond_days_urgent if urgency is Urgency.URGENT else terms.respond_days_stock
    return after_days(notice_at, days, zone)


def ship_by(terms: Terms, urgency: Urgency, notice_at: datetime, zone: str) -> datetime:
    """Until when the units must be with the carrier."""
    if urgency is Urgency.MACHINE_DOWN:
        return notice_at + timedelta(hours=terms.notice_hours_machine_down)
    days = terms.notice_days_urgent if urgency is Urgency.URGENT else terms.notice_days_stock
    return after_days(notice_at, days, zone)


def inspect_by(terms: Terms, received_at: datetime, zone: str) -> datetime:
    """Until when the manufacturer may reject what it received."""
    return after_days(received_at, terms.inspection_days, zone)


def pay_by(terms: Terms, accepted_at: datetime, zone: str) -> datetime:
    """Until when the manufacturer pays, counted from acceptance (or from the end of the inspection)."""
    return after_days(accepted_at, terms.payment_days, zone)
