"""Numbers, dates and rates as a reader expects them. English, no locale of the machine involved."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~&])")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def count(number: int, one: str, many: str | None = None) -> str:
    """'1 unit', '1,200 units'."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


@lru_cache(maxsize=1024)
def percent(basis_points: int) -> str:
    """8500 -> '85 %', 8550 -> '85.5 %'."""
    whole, rest = divmod(basis_points, 100)
    return f"{whole} %" if not rest else f"{whole}.{rest:02d}".rstrip("0") + " %"


@lru_cache(maxsize=4096)
def day(value: date) -> str:
    """'30 Nov 2034'."""
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


@lru_cache(maxsize=1024)
def month(value: date) -> str:
    """'Nov 2034'."""
    return f"{_MONTHS[value.month - 1]} {value.year}"


def moment(value: datetime, zone: str) -> str:
    """'30 Nov 2034, 14:05 CST': local time of the zone."""
    local = value.astimezone(ZoneInfo(zone))
    return f"{day(local)}, {local.hour:02d}:{local.minute:02d} {local.tzname()}"


def units_are(number: int) -> str:
    """'1 unit is', '3 units are'."""
    return f"{count(number, 'unit')} {'is' if number == 1 else 'are'}"


def listed(parts: Sequence[str], last: str = "and") -> str:
    """'a', 'a and b', 'a, b and c'."""
    if len(parts) <= 1:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def deadline(bound: datetime, zone: str) -> str:
    """An exclusive bound as people say it: midnight is the end of the day before."""
    local = bound.astimezone(ZoneInfo(zone))
    if not (local.hour or local.minute or local.second):
        return f"the end of {day(local - timedelta(days=1))}"
    return f"{day(local)}, {local.hour:02d}:{local.minute:02d} {local.tzname()}"


def escaped(value: str) -> str:
    """``value`` on one line with markdown's signs escaped: a company may be called ``A|B *Ltd*``."""
    return _MARKDOWN.sub(r"\\\1", " ".join(value.split()))
