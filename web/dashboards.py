"""What stands on Home beside what waits: for a manufacturer where everything that was sold stands, for a partner what it holds.

Sums over every unit are those of the watch's newest look, since adding them up takes longer than a page may; each says as of when, and
leads to the rows of today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from marketplace.kit.money import Money
from web import charts
from web.clauses import NAMES

ENDS: Final[Mapping[str, tuple[str, str]]] = {
    "in_reach": ("In reach", "good"),
    "held_up": ("Held up today", "warn"),
    "taken_back": ("Taken back", "accent"),
    "ended": ("Right ended", "plain"),
    "used": ("Used or fitted", "warn"),
    "sold_on": ("Title passed on", "plain"),
    "scrapped": ("Scrapped", "bad"),
    "lost": ("Lost or miscounted", "bad"),
}
SHOWN_HOLDERS: Final = 8
SHOWN_QUARTERS: Final = 12


@dataclass(frozen=True, slots=True)
class Sold:
    """A manufacturer's dashboard: charts, and the tables with the same numbers."""

    as_of: datetime
    cash: Sequence[tuple[str, Money, Money, int]]
    """(quarter, amount, all until then, units); the newest first."""
    total: Money
    cash_drawn: charts.Chart | None
    other_currencies: int
    holders: Sequence[Mapping[str, Any]]
    more_holders: int
    clauses: Sequence[Mapping[str, Any]]
    lapse: Sequence[tuple[str, int]]
    later: int
    lapse_drawn: charts.Columns | None
    flow: Sequence[tuple[str, str, str, int]]
    """(clause's key, clause, end, units)."""
    flow_drawn: charts.Flow | None
    in_reach: int
    held_up: int
    used: int
    scrapped: int


def _first_day(quarter: str) -> date:
    year, part = quarter.split("-Q")
    return date(int(year), int(part) * 3 - 2, 1)


def sold(standing: Mapping[str, Any], currency: str, as_of: datetime) -> Sold:
    """From what ``watching.queries.standing`` summed up."""
    running, rows = Decimal(0), []
    for quarter, amount, units in standing["cash"]:
        exact = Decimal(str(round(amount, 2)))
        running += exact
        rows.append((quarter, Money(exact, currency).rounded(), Money(running, currency).rounded(), units))
    points: list[tuple[date, Decimal | None]] = [(_first_day(q), total.amount) for q, _, total, _ in rows]
    if points:
        points.append((as_of.date(), points[-1][1]))
    today = f"{as_of.year}-Q{(as_of.month + 2) // 3}"
    ahead = [(q, n) for q, n in standing["lapse"] if q >= today]
    soon = ahead[:SHOWN_QUARTERS]
    order = {name: n for n, name in enumerate(ENDS)}
    flow = [
        (key, NAMES.get(key, title), fate, units) for key, title, fate, units in sorted(standing["flow"], key=lambda f: (f[1], order[f[2]]))
    ]  # fmt: skip

    def of(*fates: str) -> int:
        return sum(units for _, _, fate, units in flow if fate in fates)

    return Sold(
        as_of=as_of, cash=rows[::-1], total=Money(running, currency).rounded(), cash_drawn=charts.chart(points, steps=True), other_currencies=standing["other_currencies"],
        holders=standing["holders"][:SHOWN_HOLDERS], more_holders=max(len(standing["holders"]) - SHOWN_HOLDERS, 0), clauses=[c | {"name": NAMES.get(c["key"], c["name"])} for c in standing["clauses"]], lapse=soon,
        later=sum(n for _, n in ahead[SHOWN_QUARTERS:]), lapse_drawn=charts.columns([(q, Decimal(n)) for q, n in soon], tone="warn"), flow=flow,
        flow_drawn=charts.flow("Sold under a right", [(k, t, *ENDS[f], n) for k, t, f, n in flow], [words for words, _ in ENDS.values()]),
        in_reach=of("in_reach"), held_up=of("held_up"), used=of("used"), scrapped=of("scrapped"),
    )  # fmt: skip
