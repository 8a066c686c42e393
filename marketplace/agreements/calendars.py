"""Business days: the working week and the public holidays of a country or a part of one, as the library ``holidays`` has
them. A deadline is computed once and stored, so that a later edition of the library moves none that has been told.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING

from marketplace.kit.errors import invalid

if TYPE_CHECKING:
    from holidays import HolidayBase

_PART = re.compile("[A-Z0-9]{1,3}")
_LONGEST_CODE = 3
_LONGEST = 60
"""No country closes for so many days in a row."""
_NAMES = {
    "BL": "Saint Barthélemy", "CD": "DR Congo", "CI": "Côte d'Ivoire", "CW": "Curaçao", "RE": "Réunion",
    "ST": "São Tomé and Príncipe",
}  # fmt: skip
"""Of the modules' names those that a capital for each word does not make right."""


@lru_cache(maxsize=256)
def _calendar(code: str) -> HolidayBase:
    # Not at the top: agreements that count calendar days need none of it.
    import holidays

    country, _, subdivision = code.partition("-")
    try:
        return holidays.country_holidays(country, subdiv=subdivision or None)
    except NotImplementedError:
        raise invalid(
            "terms.holiday_calendar", f"There is no holiday calendar {code}. Name a country such as US, or DE-BY."
        ) from None


def known_calendar(code: str) -> bool:
    """Whether there is a calendar of this name ('US', 'DE-BY')."""
    import holidays

    country, _, subdivision = code.partition("-")
    supported = holidays.list_supported_countries()
    return country in supported and (not subdivision or subdivision in supported[country])


@lru_cache(maxsize=1)
def named_calendars() -> tuple[tuple[str, str], ...]:
    """(code, name) of every calendar there is, countries by name, each followed by its parts: ('DE', 'Germany'),
    ('DE-BY', 'Germany: Bayern'). A part without a name in the library goes by its code."""
    import holidays
    from holidays.registry import COUNTRIES

    supported = holidays.list_supported_countries()
    made: list[tuple[str, str]] = []
    for module, (_, code, *_) in sorted(COUNTRIES.items()):
        if code not in supported:
            continue
        name = _NAMES.get(code) or module.replace("_", " ").title()
        made.append((code, name))
        names: dict[str, str] = {}
        for alias, part in getattr(_calendar(code), "subdivisions_aliases", {}).items():
            # Of several names the first that is more than another code.
            if len(alias) > _LONGEST_CODE:
                names.setdefault(part, alias)
        # Only what a contract can name: at most three letters and digits.
        parts = [part for part in supported[code] if _PART.fullmatch(part)]
        made += sorted(
            ((f"{code}-{part}", f"{name}: {names[part]}" if part in names else f"{name}, {part}") for part in parts),
            key=itemgetter(1),
        )
    return tuple(made)


@lru_cache(maxsize=256)
def calendar_name(code: str) -> str:
    """The place of a calendar as people name it: 'Tasmania, Australia', 'Germany'; a code that there is none of as it is."""
    name = dict(named_calendars()).get(code, code)
    country, colon, part = name.partition(": ")
    return f"{part}, {country}" if colon else name


@lru_cache(maxsize=65_536)
def is_business_day(day: date, code: str) -> bool:
    """Whether people work on that day there. Raises ``terms.holiday_calendar`` for a calendar that there is not."""
    return _calendar(code).is_working_day(day)


@lru_cache(maxsize=16_384)
def add_business_days(start: date, days: int, code: str) -> date:
    """The ``days``-th business day after ``start``, which is not counted; 0 = ``start`` itself, or the next one."""
    day, left = start, days
    idle = 0
    if not left and not is_business_day(day, code):
        left = 1
    while left:
        day += timedelta(days=1)
        if is_business_day(day, code):
            left, idle = left - 1, 0
        else:
            idle += 1
            if idle > _LONGEST:
                raise invalid("terms.holiday_calendar", f"The holiday calendar {code} has no business day after {day}.")
    return day
