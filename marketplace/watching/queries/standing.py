"""Where everything that was sold under a right stands, summed up: what a manufacturer's dashboard shows. Read by the worker with each
look, since adding up every unit there is takes longer than a page may."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.covered import IN_FORCE
from marketplace.db.session import fetch

_STATES = ", ".join(f"'{s}'" for s in sorted(IN_FORCE))

# An agreement that took another's place sold nothing; nor did one that a buyer of units joined.
_CASH = """
SELECT to_char(date_trunc('quarter', a.schedule_date), 'YYYY-"Q"Q') AS quarter, a.currency, sum((l.quantity_sold - l.not_accepted) * l.sale_price)::float8 AS amount,
       sum(l.quantity_sold - l.not_accepted)::int AS units
FROM agreement a JOIN agreement_line l ON l.agreement_id = a.id
WHERE a.maker_id = $1 AND a.status <> 'offered' AND a.replaces_id IS NULL AND a.parent_id IS NULL AND a.maker_signed_at IS NOT NULL AND a.holder_signed_at IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2
"""
_THERE = f"""
SELECT a.holder_id, c.name AS holder, v.title AS clause, a.clause AS name,
       CASE WHEN a.status NOT IN ({_STATES}) AND a.suspended_on IS NULL OR a.window_closes_at <= $2 THEN 'ended'
            WHEN a.legal_hold OR a.suspended_on IS NOT NULL THEN 'held_up' ELSE 'in_reach' END AS state,
       to_char(date_trunc('quarter', a.window_closes_at), 'YYYY-"Q"Q') AS quarter, sum(p.quantity)::int AS units
FROM agreement a JOIN position p ON p.agreement_id = a.id AND p.holder_id = a.holder_id AND p.quantity > 0
JOIN company c ON c.id = a.holder_id JOIN clause_version v ON v.clause = a.clause AND v.version = a.version
WHERE a.maker_id = $1 GROUP BY 1, 2, 3, 4, 5, 6
"""
_GONE = """
SELECT v.title AS clause, a.clause AS name,
       CASE WHEN coalesce(m.purpose, m.kind) IN ('use_up', 'install') THEN 'used' WHEN coalesce(m.purpose, m.kind) = 'scrap' THEN 'scrapped'
            WHEN coalesce(m.purpose, m.kind) = 'title' THEN 'sold_on' ELSE 'lost' END AS fate, sum(m.quantity)::int AS units
FROM agreement a JOIN position p ON p.agreement_id = a.id AND p.holder_id = a.holder_id
JOIN movement m ON m.lot_id = p.lot_id AND m.from_position = p.position_id
JOIN clause_version v ON v.clause = a.clause AND v.version = a.version
WHERE a.maker_id = $1 AND coalesce(m.purpose, m.kind) IN ('use_up', 'install', 'scrap', 'title', 'lose', 'count_adjust')
  AND NOT EXISTS (SELECT FROM movement x WHERE x.lot_id = m.lot_id AND x.corrects = m.seq)
GROUP BY 1, 2, 3
"""
_BACK = """
SELECT v.title AS clause, a.clause AS name, sum(l.taken_back)::int AS units
FROM agreement a JOIN agreement_line l ON l.agreement_id = a.id JOIN clause_version v ON v.clause = a.clause AND v.version = a.version
WHERE a.maker_id = $1 AND l.taken_back > 0 AND a.status <> 'superseded' GROUP BY 1, 2
"""


async def standing(session: AsyncSession, company_id: UUID, currency: str, now: datetime) -> Mapping[str, Any]:
    """``cash``: (quarter, amount, units) in the company's currency, ``other_currencies``: of how many units the price is in another;
    ``holders``, ``clauses``: units in reach, held up and ended; ``lapse``: (quarter, units) of what is in reach; ``flow``: (clause,
    fate, units)."""
    cash = await fetch(session, _CASH, company_id)
    there = await fetch(session, _THERE, company_id, now)
    gone = await fetch(session, _GONE, company_id)
    back = await fetch(session, _BACK, company_id)
    holders: dict[str, dict[str, Any]] = {}
    clauses: dict[str, dict[str, Any]] = {}
    lapse: dict[str, int] = {}
    flow: dict[tuple[str, str], int] = {}
    for r in there:
        for group, key, title in ((holders, str(r["holder_id"]), r["holder"]), (clauses, r["name"], r["clause"])):
            row = group.setdefault(key, {"key": key, "name": title, "in_reach": 0, "held_up": 0, "ended": 0})
            row[r["state"]] += r["units"]
        if r["state"] != "ended":
            lapse[r["quarter"]] = lapse.get(r["quarter"], 0) + r["units"]
        flow[r["name"], r["state"]] = flow.get((r["name"], r["state"]), 0) + r["units"]
    titles = {r["name"]: r["clause"] for r in (*there, *gone, *back)}
    for r in gone:
        flow[r["name"], r["fate"]] = flow.get((r["name"], r["fate"]), 0) + r["units"]
    for r in back:
        flow[r["name"], "taken_back"] = flow.get((r["name"], "taken_back"), 0) + r["units"]

    def most(group: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(group.values(), key=lambda g: (-g["in_reach"] - g["held_up"] - g["ended"], g["name"]))

    return {
        "cash": [[r["quarter"], r["amount"], r["units"]] for r in cash if r["currency"] == currency],
        "other_currencies": sum(r["units"] for r in cash if r["currency"] != currency),
        "holders": most(holders)[:50], "clauses": most(clauses), "lapse": sorted(lapse.items()),
        "flow": [[name, titles[name], fate, units] for (name, fate), units in sorted(flow.items())],
    }  # fmt: skip
