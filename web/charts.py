"""Line charts as SVG, drawn by the server: numbers in, a path with its ticks out. A table stands beside each on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

WIDTH: Final = 380
HEIGHT: Final = 150
LEFT: Final = 8
RIGHT: Final = 8
TOP: Final = 14
BOTTOM: Final = 22
MOST_TICKS: Final = 5


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across the chart: where it lies in pixels, what it says; ``anchor`` keeps text at an edge inside."""

    at: float
    words: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn line: its path, the area under it (empty where the line has gaps), ticks of both axes, and the marked day."""

    path: str
    area: str
    ticks_x: tuple[Tick, ...]
    ticks_y: tuple[Tick, ...]
    mark: float | None
    dot: tuple[float, float] | None
    width: int = WIDTH
    height: int = HEIGHT
    bottom: int = HEIGHT - BOTTOM


def nice_step(span: Decimal, most: int = 4) -> Decimal:
    """The smallest of 1, 2, 5 times a power of ten that cuts ``span`` (above zero) into at most ``most`` parts."""
    power = Decimal(10) ** (span / most).adjusted()
    return next(step for factor in (1, 2, 5, 10, 20) if (step := factor * power) * most >= span)


def years_between(first: date, last: date) -> list[date]:
    """First days of years within the span, thinned to at most six; without any, the two ends."""
    years = [date(year, 1, 1) for year in range(first.year + 1, last.year + 1)]
    if not years:
        return [first, last]
    return years[:: -(-len(years) // MOST_TICKS)]


def chart(
    points: Sequence[tuple[date, Decimal | None]],
    *,
    steps: bool,
    mark: date | None = None,
    from_zero: bool = True,
    whole: bool = False,
) -> Chart | None:
    """Draws ``points``, by day; None leaves a gap. ``steps``: a value holds until the next day with one; otherwise the line
    goes straight from one to the next. ``whole``: numbers of things, without halves between them. ``mark``: a day to be marked. None where there is nothing to draw."""
    values = [value for _, value in points if value is not None]
    if len(points) < 2 or not values:
        return None
    first, last = points[0][0], points[-1][0]
    days = max((last - first).days, 1)
    low, high = (min(Decimal(0), *values) if from_zero else min(values)), max(values)
    if low == high:
        low, high = (Decimal(0), high or Decimal(1)) if high >= 0 else (low, Decimal(0))
    step = max(nice_step(high - low), Decimal(1 if whole else 0))
    low = (low / step).to_integral_value(ROUND_FLOOR) * step
    high = (high / step).to_integral_value(ROUND_CEILING) * step
    floor, inner = HEIGHT - BOTTOM, HEIGHT - BOTTOM - TOP

    def x(day: date) -> float:
        share = min(max((day - first).days, 0), days) / days
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(value: Decimal) -> float:
        return round(floor - float((value - low) / (high - low)) * inner, 1)

    path, pen, before, dot = [], False, None, None
    for day, value in points:
        if value is None:
            # A step ends where nothing holds any more.
            if pen and steps:
                path.append(f"H{x(day)}")
            pen = False
            continue
        if pen and steps:
            path.append(f"H{x(day)}V{y(value)}")
        else:
            path.append(f"{'L' if pen else 'M'}{x(day)} {y(value)}")
        pen = True
        if mark is None or day <= mark:
            before = value
    drawn = " ".join(path)
    unbroken = all(value is not None for _, value in points)
    if mark is not None and first <= mark <= last and before is not None and steps:
        dot = (x(mark), y(before))
    ticks = []
    for day in years_between(first, last):
        at = x(day)
        anchor = "start" if at < WIDTH * 0.06 else "end" if at > WIDTH * 0.94 else "middle"
        words = f"{day.year}" if (day.month, day.day) == (1, 1) else f"{day.day} {day:%b} {day.year}"
        ticks.append(Tick(at, words, anchor))
    levels = []
    level = low
    while level <= high:
        levels.append(Tick(y(level), f"{level.normalize():,f}", "start"))
        level += step
    return Chart(
        path=drawn, area=f"{drawn} V{floor} H{x(first)} Z" if unbroken else "", ticks_x=tuple(ticks), ticks_y=tuple(levels),
        mark=x(mark) if mark is not None and first <= mark <= last else None, dot=dot,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spot:
    """A point of a curve: where it lies in pixels, what it says, and where a click on it leads ("": nowhere)."""

    x: float
    y: float
    words: str
    href: str
    tone: str


@dataclass(frozen=True, slots=True)
class Curve:
    """One figure against another, as a line through points that can be chosen."""

    path: str
    spots: tuple[Spot, ...]
    ticks_x: tuple[Tick, ...]
    ticks_y: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HEIGHT + 40
    bottom: int = HEIGHT + 40 - BOTTOM


def curve(
    points: Sequence[tuple[Decimal, Decimal, str, str]], marked: Sequence[tuple[Decimal, Decimal, str]] = ()
) -> Curve | None:
    """Draws ``points`` (x, y, words, where a click leads) as a line, and ``marked`` ones (x, y, words) beside it. None where there is
    nothing to draw."""
    every = [(x, y) for x, y, *_ in points] + [(x, y) for x, y, _ in marked]
    if not points:
        return None
    blank = Curve("", (), (), ())
    across, up = _scale([x for x, _ in every]), _scale([y for _, y in every])
    inner = blank.bottom - TOP
    left = LEFT + 26  # levels are written there

    def x_of(value: Decimal) -> float:
        return round(left + float((value - across[0]) / (across[1] - across[0])) * (WIDTH - left - RIGHT - 8), 1)

    def y_of(value: Decimal) -> float:
        return round(blank.bottom - float((value - up[0]) / (up[1] - up[0])) * inner, 1)

    path = " ".join(f"{'L' if n else 'M'}{x_of(x)} {y_of(y)}" for n, (x, y, *_) in enumerate(points))
    spots = [Spot(x_of(x), y_of(y), words, href, "") for x, y, words, href in points]
    spots += [Spot(x_of(x), y_of(y), words, "", "chosen") for x, y, words in marked]
    ticks_x, level = [], across[0]
    while level <= across[1]:
        ticks_x.append(Tick(x_of(level), _short(level), "end" if level + across[2] > across[1] else "middle"))
        level += across[2]
    ticks_y, level = [], up[0]
    while level <= up[1]:
        ticks_y.append(Tick(y_of(level), f"{level.normalize():,f}", "start"))
        level += up[2]
    return Curve(path, tuple(spots), tuple(ticks_x), tuple(ticks_y))


def _scale(values: Sequence[Decimal]) -> tuple[Decimal, Decimal, Decimal]:
    """Round ends around the values, and the step between ticks."""
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 1, high + 1
    step = nice_step(high - low)
    return (
        (low / step).to_integral_value(ROUND_FLOOR) * step,
        (high / step).to_integral_value(ROUND_CEILING) * step,
        step,
    )


def _short(value: Decimal) -> str:
    """12,000,000 as 12M: room for five of them under a picture."""
    for size, letter in ((Decimal(10) ** 9, "bn"), (Decimal(10) ** 6, "M"), (Decimal(1_000), "k")):
        if abs(value) >= size:
            return f"{(value / size).normalize():f}{letter}"
    return f"{value.normalize():f}"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: where it begins, how high and how wide it is, in pixels; ``tone`` colours it, ``words`` say it."""

    x: float
    y: float
    width: float
    height: float
    tone: str
    words: str


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars over a span of time, with ticks of the hours under them; where none stands, nothing was measured."""

    bars: tuple[Bar, ...]
    ticks_x: tuple[Tick, ...]
    width: int = WIDTH * 2
    height: int = 96
    bottom: int = 96 - BOTTOM


def bars(
    values: Sequence[tuple[datetime, Decimal, str, str]],
    first: datetime,
    last: datetime,
    each: timedelta,
    ticks: Sequence[tuple[datetime, str]],
) -> Bars:
    """Draws ``values`` (moment, how much, tone, words) between two moments, each as wide as ``each``: the largest reaches the top,
    and none is so small that it cannot be seen. ``ticks``: moments and what is written under them."""
    span = Decimal(max((last - first).total_seconds(), 1))
    drawn = Bars((), ())
    inner = Decimal(drawn.bottom - TOP)
    most = max((amount for _, amount, _, _ in values), default=Decimal(0)) or Decimal(1)
    room = Decimal(drawn.width - LEFT - RIGHT)

    def x(moment: datetime) -> Decimal:
        return LEFT + room * min(max(Decimal((moment - first).total_seconds()) / span, Decimal(0)), Decimal(1))

    wide = max(room * Decimal(each.total_seconds()) / span - 1, Decimal(2))
    found = []
    for moment, amount, tone, words in values:
        high = max(inner * amount / most, Decimal(6))
        left = min(x(moment), drawn.width - RIGHT - wide)
        x0, y0, w, h = (round(float(n), 1) for n in (left, drawn.bottom - high, wide, high))
        found.append(Bar(x0, y0, w, h, tone, words))
    marks = tuple(Tick(round(float(x(moment)), 1), words) for moment, words in ticks)
    return Bars(tuple(found), marks)


# -- columns of a few things, and a flow ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Columns:
    """Bars side by side, one for each name, with levels across."""

    bars: tuple[Bar, ...]
    ticks_x: tuple[Tick, ...]
    ticks_y: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HEIGHT
    bottom: int = HEIGHT - BOTTOM


def columns(values: Sequence[tuple[str, Decimal]], *, tone: str = "") -> Columns | None:
    """Draws ``values`` (name, how much, none below zero) from left to right; of many names every few are written. None where there is
    nothing to draw."""
    most = max((amount for _, amount in values), default=Decimal(0))
    if most <= 0:
        return None
    step = nice_step(most)
    high = (most / step).to_integral_value(ROUND_CEILING) * step
    floor, inner = HEIGHT - BOTTOM, HEIGHT - BOTTOM - TOP
    wide = Decimal(WIDTH - LEFT - RIGHT) / len(values)
    every = -(-len(values) // 6)
    found, names = [], []
    for n, (name, amount) in enumerate(values):
        left, tall = LEFT + wide * n, max(inner * amount / high, Decimal(1) if amount else Decimal(0))
        x0, y0, w, h = (round(float(v), 1) for v in (left + wide / 10, floor - tall, wide * 8 / 10, tall))
        found.append(Bar(x0, y0, w, h, tone, f"{name}: {amount.normalize():,f}"))
        if n % every == 0:
            names.append(Tick(round(float(left + wide / 2), 1), name))
    levels, level = [], Decimal(0)
    while level <= high:
        levels.append(Tick(round(floor - float(level / high) * inner, 1), f"{level.normalize():,f}", "start"))
        level += step
    return Columns(tuple(found), tuple(names), tuple(levels))


@dataclass(frozen=True, slots=True)
class Node:
    """One end of flows: a bar with its words beside it."""

    x: float
    y: float
    width: float
    height: float
    tone: str
    words: str
    anchor: str
    at: float


@dataclass(frozen=True, slots=True)
class Ribbon:
    """A flow from one end to another, as wide as it is large."""

    path: str
    tone: str
    words: str


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow drawn from left to right (a Sankey diagram): one source, what it splits into, and where that ends."""

    nodes: tuple[Node, ...]
    ribbons: tuple[Ribbon, ...]
    width: int = WIDTH * 2
    height: int = 260


_LINE: Final = 16.0


def flow(
    source: str, parts: Sequence[tuple[str, str, str, str, int]], ends: Sequence[str], unit: str = "units"
) -> Flow | None:
    """Draws ``parts`` (key of the middle, its words, end, tone of the end, how many): all of them come from ``source``, go through
    their middle and arrive at their end; ``ends`` says in which order. None where nothing flows.

    Heights are in proportion, with one gap between any two; what is too small to be seen is drawn a pixel high, so a column may be
    some pixels taller than the others."""
    moved = [p for p in parts if p[4] > 0]
    total = sum(p[4] for p in moved)
    if not total:
        return None
    size, gap, bar, top = Flow((), ()), 10.0, 10.0, 8.0
    middles = list(dict.fromkeys((key, words) for key, words, *_ in sorted(moved, key=lambda p: p[0])))
    there = [end for end in ends if any(p[2] == end for p in moved)]
    scale = (size.height - 2 * top - _LINE * max(len(middles), len(there))) / total
    columns_x = (4.0, size.width * 0.36, size.width - 190.0)

    def tall(units: int) -> float:
        return max(units * scale, 1.0)

    def room(units: int) -> float:
        # Words beside a thin end need a line of their own.
        return max(tall(units) + gap, _LINE)

    def place(amounts: Sequence[int]) -> list[float]:
        used = sum(map(room, amounts)) - gap
        at, found = max((size.height - used) / 2, 4.0), []
        for amount in amounts:
            found.append(at)
            at += room(amount)
        return found

    by_middle = [sum(p[4] for p in moved if p[0] == key) for key, _ in middles]
    by_end = [sum(p[4] for p in moved if p[2] == end) for end in there]
    tones = {p[2]: p[3] for p in moved}
    (first,), seconds, thirds = place([total]), place(by_middle), place(by_end)
    nodes = [
        Node(columns_x[0], first, bar, tall(total), "accent", f"{source}: {total:,}", "start", round(first + 16, 1))
    ]
    nodes += [
        Node(columns_x[1], round(y, 1), bar, round(tall(n), 1), "accent", f"{words}: {n:,}", "start", round(y + tall(n) / 2 + 4, 1))
        for (_, words), y, n in zip(middles, seconds, by_middle, strict=True)
    ]  # fmt: skip
    nodes += [
        Node(columns_x[2], round(y, 1), bar, round(tall(n), 1), tones[end], f"{end}: {n:,}", "start", round(y + tall(n) / 2 + 4, 1))
        for end, y, n in zip(there, thirds, by_end, strict=True)
    ]  # fmt: skip
    ribbons = []
    from_source, to_end = first, dict(zip(there, thirds, strict=True))
    for (key, words), y, amount in zip(middles, seconds, by_middle, strict=True):
        ribbons.append(
            Ribbon(_ribbon(columns_x[0] + bar, from_source, columns_x[1], y, tall(amount)), "accent", f"{source} to {words}: {amount:,} {unit}")
        )  # fmt: skip
        from_source += tall(amount)
        leaves = y
        for end in there:
            units = sum(p[4] for p in moved if p[0] == key and p[2] == end)
            if not units:
                continue
            path = _ribbon(columns_x[1] + bar, leaves, columns_x[2], to_end[end], tall(units))
            ribbons.append(Ribbon(path, tones[end], f"{words}, {end[0].lower()}{end[1:]}: {units:,} {unit}"))
            leaves += tall(units)
            to_end[end] += tall(units)
    return Flow(tuple(nodes), tuple(ribbons))


def _ribbon(x0: float, y0: float, x1: float, y1: float, height: float) -> str:
    half = (x0 + x1) / 2
    a, b, c, d = (round(y, 1) for y in (y0, y1, y1 + height, y0 + height))
    return f"M{x0:g} {a:g} C{half:g} {a:g} {half:g} {b:g} {x1:g} {b:g} V{c:g} C{half:g} {c:g} {half:g} {d:g} {x0:g} {d:g} Z"
