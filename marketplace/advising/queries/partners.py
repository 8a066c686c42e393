"""Reads of what partners hold under rights, and of how fast they use it up."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy.typing as npt
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.advising.copying import Unpacker
from marketplace.advising.rights import Right, right
from marketplace.advising.using import Use
from marketplace.agreements.covered import IN_FORCE
from marketplace.db.session import ReadSession, driver, fetch

_STATES = ", ".join(f"'{s}'" for s in sorted(IN_FORCE))


async def rights(session: AsyncSession, company_id: UUID, now: datetime) -> Sequence[Right]:
    """Every agreement of the company's parts under which something can be ordered, by id; terms as they are stored."""
    rows = await fetch(
        session,
        "SELECT a.id, a.holder_id, a.status, a.legal_hold, a.suspended_on IS NOT NULL AS suspended, a.window_opens_at, a.window_closes_at, "
        "a.schedule_date, a.currency, a.version, a.renewals, a.decide_by, a.non_renewal_at IS NOT NULL AS refused, a.clause, a.terms::text AS terms, a.further::text AS further "
        f"FROM agreement a WHERE a.maker_id = $1 AND a.status IN ({_STATES}) AND a.window_closes_at > $2 ORDER BY a.id",
        company_id, now,
    )  # fmt: skip
    return [
        right(r, [(r["clause"], json.loads(r["terms"])), *((f["clause"], f["terms"]) for f in json.loads(r["further"]))], now) for r in rows
    ]  # fmt: skip


# Of each part and agreement what its holder has: there, reserved (on order: they come home), its minimum, what it paid. Units that a
# quality hold stops cover nothing; those on the road are counted once they are somewhere.
_LINES = f"""
SELECT p.part_id, p.agreement_id,
       coalesce(sum(p.quantity) FILTER (WHERE NOT t.frozen AND p.site_id IS NOT NULL), 0)::float8 AS there,
       coalesce(sum(p.held) FILTER (WHERE NOT t.frozen), 0)::float8 AS held,
       greatest(least(l.minimum_to_keep - l.minimum_passed_on, l.quantity_sold), 0)::float8 AS keep,
       (l.taken_back - l.taken_above)::float8 AS back, l.sale_price::float8 AS price
FROM agreement a JOIN position p ON p.agreement_id = a.id AND p.holder_id = a.holder_id AND p.quantity > 0
JOIN lot t ON t.lot_id = p.lot_id
JOIN agreement_line l ON l.agreement_id = a.id AND l.part_id = p.part_id
WHERE a.maker_id = $1 AND a.status IN ({_STATES}) AND a.window_closes_at > $2
GROUP BY p.part_id, p.agreement_id, l.minimum_to_keep, l.minimum_passed_on, l.quantity_sold, l.taken_back, l.taken_above, l.sale_price
"""
_LINE_FIELDS = (
    ("part", "uuid"), ("agreement", "uuid"), ("there", "float8"), ("held", "float8"), ("keep", "float8"), ("back", "float8"), ("price", "float8"),
)  # fmt: skip


async def copy_lines(
    session: ReadSession, company_id: UUID, now: datetime, use: Callable[[npt.NDArray[Any]], None]
) -> None:
    """What holders have of each part under each right."""
    unpack = Unpacker(_LINE_FIELDS, use)

    async def keep(piece: bytes) -> None:
        unpack.feed(piece)

    await (await driver(session)).copy_from_query(_LINES, company_id, now, output=keep, format="binary", timeout=600)
    unpack.close()


# How long units lay with the holder: what came in less what went out, each times how long ago that was. As units used up or fitted
# count those of the ledger that nobody corrected.
_EXPOSURE = """
WITH mine AS (
    SELECT p.lot_id, p.position_id, a.id AS agreement_id
    FROM agreement a JOIN position p ON p.agreement_id = a.id AND p.holder_id = a.holder_id
    WHERE a.maker_id = $1 AND p.site_id IS NOT NULL
), lain AS (
    SELECT n.agreement_id, sum(
        CASE WHEN m.to_position = n.position_id THEN m.quantity ELSE -m.quantity END * extract(epoch FROM $2::timestamptz - m.occurred_at)
    ) / 31557600.0 AS years
    FROM mine n JOIN movement m ON m.lot_id = n.lot_id AND n.position_id IN (m.from_position, m.to_position)
    WHERE m.kind NOT IN ('hold', 'void', 'expire', 'freeze', 'lift') AND m.from_position IS DISTINCT FROM m.to_position
    GROUP BY n.agreement_id
), used AS (
    SELECT m.agreement_id, sum(m.quantity) AS units
    FROM agreement a JOIN movement m ON m.agreement_id = a.id AND m.kind IN ('use_up', 'install')
    WHERE a.maker_id = $1 AND NOT EXISTS (SELECT FROM movement c WHERE c.lot_id = m.lot_id AND c.corrects = m.seq)
    GROUP BY m.agreement_id
)
SELECT a.id, a.holder_id, a.clause, greatest(coalesce(y.years, 0), 0)::float8 AS years, coalesce(u.units, 0)::float8 AS used
FROM agreement a LEFT JOIN lain y ON y.agreement_id = a.id LEFT JOIN used u ON u.agreement_id = a.id
WHERE a.maker_id = $1 AND (y.years > 0 OR u.units > 0)
"""


async def use_of_agreements(session: AsyncSession, company_id: UUID, now: datetime) -> Sequence[Use]:
    """Of every agreement there ever was: what a holder did under one that has ended tells of its habits too."""
    rows = await fetch(session, _EXPOSURE, company_id, now)
    return [Use(r["id"], r["holder_id"], r["clause"], r["years"], r["used"]) for r in rows]


async def names_of(session: AsyncSession, company_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Names of companies; those that may not be seen are left out."""
    rows = await fetch(session, "SELECT id, name FROM company WHERE id = ANY($1::uuid[])", list(company_ids))
    return {r["id"]: r["name"] for r in rows}
