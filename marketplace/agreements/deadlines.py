"""Windows and clocks. Every deadline is computed once, from the moment of notice, and stored by the caller.

Days end at midnight of the site's zone, so a day that daylight saving makes 23 or 25 hours long is still one day. They
are calendar days, or the business days of a calendar where the terms say so. Hours are exact hours. Deadlines are
exclusive UTC bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from marketplace.agreements.calendars import add_business_days
from marketplace.agreements.circumstances import ORDINARY
from marketplace.agreements.facts import Facts
from marketplace.agreements.term_kinds import Blackout, DayCount
from marketplace.agreements.terms import Terms, Urgency
from marketplace.kit.clock import add_months, end_of_day, local_day, months_between, require_utc


@dataclass(frozen=True, slots=True)
class Window:
    """The days on which notice may be given, both inclusive, and the same as UTC bounds [opens, closes)."""

    first_day: date
    last_day: date
    opens: datetime
    closes: datetime


def window(terms: Terms, facts: Facts) -> Window:
    """When the right can be exercised: months after the schedule date, longer by renewals, by days of suspension and, where
    the terms say so, by days for which an insolvency froze the units."""
    end, tolled = terms.window_end_months, facts.tolled_days
    known = facts.circumstances
    if known is not ORDINARY:
        end += terms.renewal_months * min(known.renewals, terms.max_renewals)
        tolled += known.frozen_days if terms.tolls_insolvency else 0
    return _window(facts.schedule_date, terms.window_start_months, end, tolled, facts.zone)


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


def counted(terms: Terms, start: datetime, days: int, zone: str) -> datetime:
    """As ``after_days``, in the days that the terms count periods of orders, notices, inspection and cure in."""
    if terms.day_count is DayCount.CALENDAR or terms.holiday_calendar is None:
        return after_days(start, days, zone)
    return after_business_days(start, days, zone, terms.holiday_calendar)


@lru_cache(maxsize=4096)
def after_business_days(start: datetime, days: int, zone: str, calendar: str) -> datetime:
    """The end of the business day that is ``days`` of them after the local day of ``start``; raises ``time.naive``."""
    return end_of_day(add_business_days(local_day(require_utc(start), zone), days, calendar), zone)


def respond_by(terms: Terms, urgency: Urgency, notice_at: datetime, zone: str) -> datetime:
    """Until when the holder may accept or refuse; at once where the terms ask for no answer."""
    if not terms.answers:
        return notice_at
    if urgency is Urgency.MACHINE_DOWN:
        return notice_at + timedelta(hours=terms.respond_hours_machine_down)
    days = terms.respond_days_urgent if urgency is Urgency.URGENT else terms.respond_days_stock
    return counted(terms, notice_at, days, zone)


def ship_by(terms: Terms, urgency: Urgency, notice_at: datetime, zone: str) -> datetime:
    """Until when the units must be with the carrier."""
    if urgency is Urgency.MACHINE_DOWN:
        return notice_at + timedelta(hours=terms.notice_hours_machine_down)
    days = terms.notice_days_urgent if urgency is Urgency.URGENT else terms.notice_days_stock
    return counted(terms, notice_at, days, zone)


def acknowledge_by(terms: Terms, urgency: Urgency, notice_at: datetime, zone: str) -> datetime | None:
    """Until when the holder says that it has seen the order; None where the terms do not ask for it."""
    if urgency is Urgency.MACHINE_DOWN:
        hours = terms.acknowledge_hours_machine_down
        return None if hours is None else notice_at + timedelta(hours=hours)
    days = terms.acknowledge_days_urgent if urgency is Urgency.URGENT else terms.acknowledge_days_stock
    return None if days is None else counted(terms, notice_at, days, zone)


def deliver_by(terms: Terms, urgency: Urgency, notice_at: datetime, zone: str) -> datetime | None:
    """Until when the units must have arrived; None where the terms do not say."""
    if urgency is Urgency.MACHINE_DOWN:
        hours = terms.deliver_hours_machine_down
        return None if hours is None else notice_at + timedelta(hours=hours)
    days = terms.deliver_days_urgent if urgency is Urgency.URGENT else terms.deliver_days_stock
    return None if days is None else counted(terms, notice_at, days, zone)


def inspect_by(terms: Terms, received_at: datetime, zone: str) -> datetime:
    """Until when the manufacturer may reject what it received."""
    return counted(terms, received_at, terms.inspection_days, zone)


def pay_by(terms: Terms, accepted_at: datetime, zone: str) -> datetime:
    """Until when the manufacturer pays, counted from acceptance (or from the end of the inspection); calendar days."""
    return after_days(accepted_at, terms.payment_days, zone)


def period_of(schedule_date: date, day: date, months: int) -> int:
    """Which period of so many months since the schedule date a day lies in: 0 is the first."""
    return months_between(schedule_date, day) // months


def blackout_until(blackouts: Sequence[Blackout], day: date) -> date | None:
    """The first day after the blackouts that ``day`` lies in; None when it lies in none."""
    end: date | None = None
    current = day
    # Blackouts may touch: at most one turn for each. All year long there is no end, and no order is ever possible.
    for _ in range(len(blackouts) + 1):
        last = next((until for b in blackouts if (until := _last_day(b, current)) is not None), None)
        if last is None:
            return end
        end = current = last + timedelta(days=1)
    return end


def _last_day(blackout: Blackout, day: date) -> date | None:
    """The last day of the blackout that ``day`` lies in. One that wraps round the year's end began in the year before."""
    for year in (day.year - 1, day.year):
        first = _of_year(year, blackout.from_month, blackout.from_day)
        wraps = (blackout.to_month, blackout.to_day) < (blackout.from_month, blackout.from_day)
        last = _of_year(year + wraps, blackout.to_month, blackout.to_day)
        if first <= day <= last:
            return last
    return None


def _of_year(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        return date(year, month, 28)
