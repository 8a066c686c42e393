"""What terms of the second library ask about beyond the schedule itself: notices, orders and use so far, and what prices
follow. Only what the terms at hand ask for is read: one statement for each kind of thing, however many agreements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.circumstances import ORDINARY, Circumstances, Dated, MarketValue, Series
from marketplace.agreements.price_kinds import IndexedPrice, MarketMinus
from marketplace.agreements.queries.notices import standing_notices
from marketplace.agreements.terms import Terms
from marketplace.db.session import fetch
from marketplace.kit.money import Money

Pair = tuple[UUID, UUID]


# What was used, ordered and stated before a change of terms counts under the agreement that took its place, too.
_BEFORE = """
WITH RECURSIVE w AS (
    SELECT u.agreement_id, u.part_id, u.zone, u.agreement_id AS told_of
    FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS u (agreement_id, part_id, zone)
    UNION ALL
    SELECT a.replaces_id, w.part_id, w.zone, w.told_of FROM w JOIN agreement a ON a.id = w.agreement_id
    WHERE a.replaces_id IS NOT NULL
)
"""


class Asked(NamedTuple):
    """One part under one agreement: its clauses' terms, the currency of the sale and the zone of the holder's site."""

    clauses: tuple[Terms, ...]
    currency: str
    zone: str


async def circumstances(session: AsyncSession, asked: Mapping[Pair, Asked]) -> dict[Pair, Circumstances]:
    """By (agreement, part); pairs of which nothing out of the ordinary is known are left out."""
    found: defaultdict[Pair, dict[str, Any]] = defaultdict(dict)
    second = {pair: a for pair, a in asked.items() if a.clauses[0].generation == 2}
    if not second:
        return {}
    for pair, given in (await standing_notices(session, second)).items():
        found[pair]["notices"] = tuple(given)
    if pairs := _who(second, lambda t: t.use_allowance is not None):
        await _used(session, pairs, second, found)
    if pairs := _who(second, lambda t: t.max_units is not None):
        await _ordered(session, pairs, second, found)
    if series := {p.series for p in _prices(second.values()) if isinstance(p, IndexedPrice)}:
        known = await _series(session, series)
        for pair, a in second.items():
            names = {p.series for p in _prices([a]) if isinstance(p, IndexedPrice)}
            if names:
                found[pair]["series"] = tuple(known[n] for n in sorted(names) if n in known)
    if pairs := _who(second, lambda t: _price(t) is not None and _price(t).kind in ("cost_plus", "market_minus")):
        await _values(session, pairs, second, found)
    if pairs := _who(second, lambda t: _price(t) is not None and _price(t).kind == "percent_of_list"):
        await _listed(session, pairs, second, found)
    return {pair: Circumstances(**values) if values else ORDINARY for pair, values in found.items()}


def _price(terms: Any) -> Any:
    return getattr(terms, "price", None)


def _prices(asked: Iterable[Asked]) -> Iterable[Any]:
    return (price for a in asked for terms in a.clauses if (price := _price(terms)) is not None)


def _who(asked: Mapping[Pair, Asked], wants: Callable[[Any], bool]) -> list[Pair]:
    return [pair for pair, a in asked.items() if any(wants(terms) for terms in a.clauses)]


def _columns(pairs: Sequence[Pair]) -> tuple[list[UUID], list[UUID]]:
    return [a for a, _ in pairs], [p for _, p in pairs]


async def _used(
    session: AsyncSession, pairs: Sequence[Pair], asked: Mapping[Pair, Asked], found: defaultdict[Pair, dict[str, Any]]
) -> None:
    """Units used up or fitted without asking, by day at the holder's site, counted from the ledger: what was taken back by a
    correction, and what a notice cleared, does not count."""
    rows = await fetch(
        session,
        f"{_BEFORE} SELECT w.told_of, w.part_id, (m.occurred_at AT TIME ZONE w.zone)::date AS day, sum(m.quantity)::int AS units "
        "FROM w JOIN movement m ON m.agreement_id = w.agreement_id AND m.kind IN ('use_up', 'install') "
        "JOIN lot t ON t.lot_id = m.lot_id AND t.part_id = w.part_id "
        "WHERE NOT EXISTS (SELECT FROM movement c WHERE c.lot_id = m.lot_id AND c.corrects = m.seq) "
        "AND NOT EXISTS (SELECT FROM notice_use u WHERE u.permit_id = m.permit_id) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        *_columns(pairs),
        [asked[pair].zone for pair in pairs],
    )
    for r in rows:
        known = found[r["told_of"], r["part_id"]]
        known["used"] = (*known.get("used", ()), Dated(r["day"], r["units"]))


async def _ordered(
    session: AsyncSession, pairs: Sequence[Pair], asked: Mapping[Pair, Asked], found: defaultdict[Pair, dict[str, Any]]
) -> None:
    rows = await fetch(
        session,
        f"{_BEFORE} SELECT w.told_of, w.part_id, (e.at AT TIME ZONE w.zone)::date AS day, sum(e.units)::int AS units "
        "FROM w JOIN agreement_exercise e ON e.agreement_id = w.agreement_id AND e.part_id = w.part_id "
        "WHERE e.undone_at IS NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        *_columns(pairs),
        [asked[pair].zone for pair in pairs],
    )
    for r in rows:
        known = found[r["told_of"], r["part_id"]]
        known["ordered"] = (*known.get("ordered", ()), Dated(r["day"], r["units"]))


async def _series(session: AsyncSession, names: Iterable[str]) -> dict[str, Series]:
    """Index series as published until now: of a month that was corrected, the newest value."""
    rows = await fetch(
        session,
        "SELECT DISTINCT ON (series, month) series, month, value FROM index_value "
        "WHERE series = ANY($1::text[]) AND published_at <= now() ORDER BY series, month, published_at DESC",
        sorted(names),
    )
    values: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    ended: set[str] = set()
    for r in rows:
        if r["value"] is None:
            ended.add(r["series"])
        else:
            values[r["series"]][r["month"]] = r["value"]
    return {name: Series(name, values[name], name in ended) for name in values.keys() | ended}


async def _values(
    session: AsyncSession, pairs: Sequence[Pair], asked: Mapping[Pair, Asked], found: defaultdict[Pair, dict[str, Any]]
) -> None:
    rows = await fetch(
        session,
        f"{_BEFORE} SELECT DISTINCT ON (w.told_of, v.part_id, v.kind) w.told_of, v.part_id, v.kind, v.amount, v.source, "
        "v.valued_on FROM w JOIN unit_value v ON v.agreement_id = w.agreement_id AND v.part_id = w.part_id "
        "ORDER BY w.told_of, v.part_id, v.kind, v.id DESC",
        *_columns(pairs),
        [asked[pair].zone for pair in pairs],
    )
    sources = {pair: {p.source for p in _prices([asked[pair]]) if isinstance(p, MarketMinus)} for pair in pairs}
    for r in rows:
        pair = (r["told_of"], r["part_id"])
        amount = Money(r["amount"], asked[pair].currency)
        if r["kind"] == "cost":
            found[pair]["stated_cost"] = amount
        elif r["kind"] == "inbound_freight":
            found[pair]["inbound_freight"] = amount
        elif r["source"] in sources[pair]:
            found[pair]["market"] = MarketValue(amount, r["source"], r["valued_on"])


async def _listed(
    session: AsyncSession, pairs: Sequence[Pair], asked: Mapping[Pair, Asked], found: defaultdict[Pair, dict[str, Any]]
) -> None:
    rows = await fetch(
        session,
        "SELECT p.id, p.list_price, p.currency::text AS currency, "
        "EXISTS (SELECT FROM supersession s WHERE s.from_part_id = p.id AND s.effective_on <= current_date) AS superseded "
        "FROM part p WHERE p.id = ANY($1::uuid[])",
        list({part for _, part in pairs}),
    )
    parts = {r["id"]: r for r in rows}
    for pair in pairs:
        part = parts.get(pair[1])
        if part is None:
            continue
        # A list price in another currency than that of the sale is none.
        if part["list_price"] is not None and part["currency"] == asked[pair].currency:
            found[pair]["list_price_now"] = Money(part["list_price"], part["currency"])
        if part["superseded"]:
            found[pair]["superseded"] = True
