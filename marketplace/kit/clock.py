"""Time helpers: aware UTC inside, words at the edges. The present moment is always an argument."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from marketplace.kit.errors import invalid

ELSEWHERE: Final = timedelta(days=1)
"""How far ahead of the server's day it can be: somewhere it is tomorrow already."""


def require_utc(moment: datetime) -> datetime:
    """The same moment in UTC; refuses a time without zone."""
    if moment.tzinfo is None:
        raise invalid("time.naive", "Give the time with its zone, for example 2026-11-22T14:00:00Z.")
    return moment.astimezone(UTC)


def add_months(day: date, months: int) -> date:
    """The same day of the month ``months`` later, or that month's last day (31 Jan + 1 month = 28/29 Feb)."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    if not 1 <= year <= 9999:
        raise invalid("time.range", "That date is out of range.")
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, min(day.day, last))
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


def months_between(start: date, end: date) -> int:
    """Whole months from ``start`` to ``end`` (0 when end is earlier)."""
    months = (end.year - start.year) * 12 + end.month - start.month
    if add_months(start, months) > end:
        months -= 1
    return max(months, 0)


# A search asks for the same few days in the same few zones thousands of times; zone arithmetic is dear.
@lru_cache(maxsize=4096)
def local_day(moment: datetime, zone: str) -> date:
    """The calendar day of ``moment`` in the named time zone."""
    return moment.astimezone(ZoneInfo(zone)).date()


@lru_cache(maxsize=4096)
def end_of_day(day: date, zone: str) -> datetime:
    """The last instant that still belongs to ``day`` in the zone, as the exclusive bound in UTC."""
    return datetime.combine(day + timedelta(days=1), datetime.min.time(), ZoneInfo(zone)).astimezone(UTC)


def last_day(bound: datetime, zone: str) -> date:
    """The day that ends then, as people say by when: what ``end_of_day`` was made from, not the midnight after it."""
    return local_day(bound - timedelta(microseconds=1), zone)
