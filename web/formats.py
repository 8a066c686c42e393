"""How values are written on pages: pure functions from a value to words or safe HTML.

Every function that needs the present moment is given it. HTML is built with markupsafe, so a part number or name
can never become markup.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from markupsafe import Markup

from marketplace.kit.clock import last_day, local_day
from marketplace.kit.money import Money

NONE: Final = Markup('<span class="none" aria-hidden="true">–</span><span class="visually-hidden">none</span>')
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_NEAR: Final = timedelta(days=30)
DUE_SOON: Final = timedelta(hours=24)


def plural(count: int, one: str, many: str | None = None) -> str:
    """A counted noun: ``3 units``, ``1 unit``, ``1,204 units``; ``many`` defaults to ``one`` with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def file_size(count: int) -> str:
    """How big a file is: '182 kB', '3.4 MB'."""
    return f"{max(count / 1000, 1):,.0f} kB" if count < 950_000 else f"{count / 1_000_000:,.1f} MB"


def number(value: int) -> str:
    """A whole number with thousands marked: ``12,480``."""
    return f"{value:,}"


def money(value: Money | None) -> Markup:
    """An amount with its currency: ``1,250.00 USD``, never broken over two lines."""
    if value is None:
        return NONE
    amount, _, currency = str(value).rpartition(" ")
    return Markup('<span class="money">{}&nbsp;<span class="unit">{}</span></span>').format(amount, currency)


def qty(value: int | None, unit: str = "each") -> Markup:
    """A quantity with its unit of measure: ``12 each``."""
    if value is None:
        return NONE
    return Markup('<span class="qty">{}&nbsp;<span class="unit">{}</span></span>').format(f"{value:,}", unit)


def percent(basis_points: int) -> str:
    """A share: 8500 basis points are ``85 %``, 1250 are ``12.5 %`` (with a no-break space)."""
    whole, rest = divmod(abs(basis_points), 100)
    sign = "-" if basis_points < 0 else ""
    decimals = f".{rest:02d}".rstrip("0") if rest else ""
    return f"{sign}{whole:,}{decimals}\u00a0%"


def km(value: float | None) -> Markup:
    """A distance in kilometres: ``< 1 km``, ``8 km``, ``1,204 km``."""
    if value is None:
        return NONE
    words = "< 1" if value < 1 else f"{round(value):,}"
    return Markup('<span class="qty">{}&nbsp;<span class="unit">km</span></span>').format(words)


def town(place: str, region: str) -> str:
    """``Adamsville, AL``: the town with its state, which some write with the town already."""
    return place if not region or place.upper().endswith(region.upper()) else f"{place}, {region}"


def part_number(value: str, *, copy: bool = True) -> Markup:
    """A part or serial number in the tabular monospace, with a button that copies it (hidden without script)."""
    mono = Markup('<span class="pn">{}</span>').format(value)
    if not copy:
        return mono
    button = Markup('<button type="button" class="copy" data-copy="{}" aria-label="Copy {}" hidden></button>').format(
        value, value
    )
    return Markup('<span class="pn-copy">{}{}</span>').format(mono, button)


def day(value: date | None) -> Markup:
    """A calendar day: ``22 Nov 2026``."""
    if value is None:
        return NONE
    return Markup('<time datetime="{}">{}</time>').format(value.isoformat(), day_words(value))


def day_words(value: date) -> str:
    """``22 Nov 2026``, without a leading zero."""
    return f"{value.day} {value:%b %Y}"


def month(value: date) -> str:
    """``Nov 2026``."""
    return f"{value:%b %Y}"


def on(value: date | datetime, zone: str = "UTC") -> str:
    """A day inside a sentence, ``22 Nov 2026``: of a moment the day that it is in the reader's time zone."""
    return day_words(local_day(value, zone) if isinstance(value, datetime) else value)


def exact(value: datetime, zone: str = "UTC") -> str:
    """A moment in full: ``22 Nov 2026, 15:04 UTC``; the zone is named as people there do (``CST``)."""
    local = value.astimezone(ZoneInfo(zone))
    return f"{day_words(local.date())}, {local:%H:%M %Z}"


def relative(value: datetime, now: datetime, zone: str = "UTC") -> str:
    """``5 min ago``, ``in 3 h``, ``yesterday``, ``in 6 days``; the date itself beyond 30 days."""
    gap = abs(value - now)
    past = value <= now
    if gap < _MINUTE:
        return "just now" if past else "in a moment"
    if gap < _HOUR:
        span = f"{gap // _MINUTE} min"
    elif gap < _DAY:
        span = f"{gap // _HOUR} h"
    elif gap < 2 * _DAY:
        return "yesterday" if past else "tomorrow"
    elif gap <= _NEAR:
        span = plural(gap // _DAY, "day")
    else:
        return day_words(local_day(value, zone))
    return f"{span} ago" if past else f"in {span}"


def dt(value: datetime | None, now: datetime, zone: str = "UTC") -> Markup:
    """A moment relative to now, with the exact one on hover and for machines."""
    if value is None:
        return NONE
    return _time(value, relative(value, now, zone), zone)


def moment(value: datetime, now: datetime, zone: str = "UTC") -> Markup:
    """A moment for a history that is read aloud: exact, with the distance before it while that says more."""
    machine = value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    near = f"{relative(value, now, zone)}, " if abs(value - now) <= _NEAR else ""
    return Markup('<time datetime="{}">{}{}</time>').format(machine, near, exact(value, zone))


def time_left(value: datetime, now: datetime) -> str:
    """``35 min left``, ``4 h 10 min left``, ``3 days left``, ``2 days overdue``: rounded down, never flattering."""
    gap = abs(value - now)
    days, hours, minutes = gap // _DAY, gap // _HOUR, gap // _MINUTE
    if days >= 2:
        span = plural(days, "day")
    elif hours >= 1:
        rest = minutes - hours * 60
        span = f"{hours} h {rest} min" if hours < 10 and rest else f"{hours} h"
    else:
        span = f"{minutes} min" if minutes else "less than 1 min"
    return f"{span} left" if value > now else f"{span} overdue"


def deadline(value: datetime | None, now: datetime, zone: str = "UTC") -> Markup:
    """The time left until a deadline; the words and the class say whether it is far, near (24 h) or past."""
    if value is None:
        return NONE
    state = "over" if value <= now else "soon" if value - now <= DUE_SOON else "far"
    return Markup('<span class="deadline deadline-{}">{}</span>').format(
        state, _time(value, time_left(value, now), zone)
    )


def needed(value: datetime, now: datetime, zone: str = "UTC", *, running: bool) -> Markup:
    """By which day something is needed: the day that ends then, not the midnight after it; while it is awaited
    (``running``) with the time left."""
    last = last_day(value, zone)
    if not running:
        return day(last)
    state = "over" if value <= now else "soon" if value - now <= DUE_SOON else "far"
    words = f"{day_words(last)}, {time_left(value, now)}"
    return Markup('<span class="deadline deadline-{}"><time datetime="{}">{}</time></span>').format(
        state, last.isoformat(), words
    )


def _time(value: datetime, words: str, zone: str) -> Markup:
    machine = value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    full = exact(value, zone)
    # For a finger, which cannot hover: what the words leave out.
    more = full.removeprefix(f"{words}, ")
    return Markup('<time datetime="{}" title="{}" data-more="{}">{}</time>').format(machine, full, more, words)
