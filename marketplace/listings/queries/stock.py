"""The stock behind listings: what backs one, and what could still be released."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch
from marketplace.ledger.queries import held_lots_for_update
from marketplace.listings.quantities import Backing
from marketplace.parts.numbers import after_prefix


async def backing(session: AsyncSession, listing_ids: Sequence[UUID], now: datetime) -> dict[UUID, list[Backing]]:
    """The lots behind listings with what is free of each; a reservation past its time counts as free."""
    rows = await fetch(
        session,
        """
        SELECT b.listing_id, b.lot_id, b.position_id, b.quantity,
               (p.quantity - p.held + coalesce(o.overdue, 0)
                - CASE WHEN t.frozen THEN p.quantity ELSE 0 END)::int AS free
        FROM listing_lot b JOIN position p ON p.lot_id = b.lot_id AND p.position_id = b.position_id
        JOIN lot t ON t.lot_id = b.lot_id
        LEFT JOIN LATERAL (
            SELECT sum(h.quantity) AS overdue FROM open_hold h
            WHERE h.lot_id = b.lot_id AND h.position_id = b.position_id AND h.expires_at <= $2
        ) o ON p.held > 0
        WHERE b.listing_id = ANY($1::uuid[]) ORDER BY b.listing_id, b.lot_id, b.position_id
        """,
        list(listing_ids),
        now,
    )
    found: dict[UUID, list[Backing]] = {i: [] for i in listing_ids}
    for r in rows:
        found[r["listing_id"]].append(Backing(r["lot_id"], r["position_id"], r["quantity"], max(r["free"], 0)))
    return found


RELEASABLE_KINDS = (str, UUID, UUID, str)
"""What the parts of ``Releasable.key`` are read as."""


@dataclass(frozen=True, slots=True)
class Releasable:
    """Own unencumbered stock of a part at a site in a condition that could be released."""

    part_id: UUID
    part_number: str
    description: str
    uom: str
    site_id: UUID
    site: str
    condition: str
    quantity: int
    free: int
    listed: int
    list_price: Decimal | None
    unit_cost: Decimal | None
    protected: bool
    last_issue_on: date | None
    usage_12: int | None
    package_quantity: int
    number_norm: str

    @property
    def key(self) -> list[object]:
        """The sort key: what a bookmark holds, read as ``RELEASABLE_KINDS``."""
        return [self.number_norm, self.part_id, self.site_id, self.condition]

    @property
    def left(self) -> int:
        """How many could still be offered."""
        return max(self.free - self.listed, 0)


@dataclass(frozen=True, slots=True)
class StockFilter:
    """Which own stock; None = any. ``number``: the beginning of a number, normalised; ``words``: all of them in the
    description (either is enough where both are given). ``idle_since``: no issue on record since that day."""

    part_ids: Sequence[UUID] | None = None
    site_id: UUID | None = None
    number: str | None = None
    words: str | None = None
    idle_since: date | None = None


_RELEASABLE = """
WITH page AS (
    SELECT p.part_id, pt.number_norm, p.site_id, p.condition, sum(p.quantity)::bigint AS quantity,
           sum(p.quantity - p.held)::bigint AS free
    FROM position p JOIN part pt ON pt.id = p.part_id JOIN lot l ON l.lot_id = p.lot_id
    WHERE p.owner_id = $1 AND p.holder_id = $1 AND p.agreement_id IS NULL AND p.quantity > 0 AND NOT l.frozen
      AND p.site_id IS NOT NULL
      AND ($2::uuid[] IS NULL OR p.part_id = ANY($2)) AND ($3::uuid IS NULL OR p.site_id = $3)
      AND ($4::text IS NULL OR (pt.number_norm >= $4 COLLATE "C" AND pt.number_norm < $5 COLLATE "C")
           OR ($6::text IS NOT NULL AND pt.words @@ websearch_to_tsquery('english', $6)))
      AND ($4::text IS NOT NULL OR $6::text IS NULL OR pt.words @@ websearch_to_tsquery('english', $6))
      AND ($7::date IS NULL OR NOT EXISTS (
          SELECT 1 FROM stock_line y WHERE y.company_id = $1 AND y.part_id = p.part_id AND y.site_id = p.site_id
            AND y.last_issue_on >= $7))
      AND ($8::text IS NULL OR (pt.number_norm, p.part_id, p.site_id, p.condition)
           > ($8::text COLLATE "C", $9::uuid, $10::uuid, $11::text))
    GROUP BY p.part_id, pt.number_norm, p.site_id, p.condition
    ORDER BY pt.number_norm, p.part_id, p.site_id, p.condition LIMIT $12
)
SELECT g.part_id, pt.number AS part_number, pt.description, pt.uom, g.site_id, s.name AS site, g.condition, g.quantity,
       g.free, coalesce(b.listed, 0)::bigint AS listed, coalesce(x.list_price, pt.list_price) AS list_price, x.unit_cost,
       coalesce(x.protected, false) AS protected, x.last_issue_on, x.usage_12,
       coalesce(x.package_quantity, 1)::int AS package_quantity, g.number_norm
FROM page g JOIN part pt ON pt.id = g.part_id JOIN site s ON s.id = g.site_id
LEFT JOIN LATERAL (
    SELECT max(list_price) AS list_price, max(unit_cost) AS unit_cost, bool_or(protected) AS protected,
           max(last_issue_on) AS last_issue_on, sum(usage_12)::bigint AS usage_12,
           max(package_quantity) AS package_quantity
    FROM stock_line y WHERE y.company_id = $1 AND y.part_id = g.part_id AND y.site_id = g.site_id
) x ON true
LEFT JOIN LATERAL (
    SELECT sum(bl.quantity) AS listed FROM position p JOIN listing_lot bl USING (lot_id, position_id)
    WHERE p.owner_id = $1 AND p.holder_id = $1 AND p.part_id = g.part_id AND p.site_id = g.site_id
      AND p.condition = g.condition AND p.agreement_id IS NULL AND p.quantity > 0
) b ON true
ORDER BY g.number_norm, g.part_id, g.site_id, g.condition
"""


async def releasable(
    session: AsyncSession,
    company_id: UUID,
    wanted: StockFilter,
    *,
    after: Sequence[object] | None = None,
    limit: int = 51,
) -> Sequence[Releasable]:
    """Own stock by part number that is under no agreement, with what is free and what is listed already; keyset:
    ``after`` is the ``key`` of the last row."""
    mark = tuple(after) if after else (None,) * 4
    rows = await fetch(
        session, _RELEASABLE, company_id, list(wanted.part_ids) if wanted.part_ids is not None else None,
        wanted.site_id, wanted.number, after_prefix(wanted.number) if wanted.number else None, wanted.words,
        wanted.idle_since, *mark, limit,
    )  # fmt: skip
    return [Releasable(**dict(r)) for r in rows]


async def lots_to_list(
    session: AsyncSession, company_id: UUID, places: Sequence[tuple[UUID, UUID, str]]
) -> dict[tuple[UUID, UUID, str], list[Backing]]:
    """Own free lots by (part, site, condition), less what other listings already offer of them."""
    found: dict[tuple[UUID, UUID, str], list[Backing]] = {place: [] for place in places}
    rows = await fetch(
        session,
        """
        SELECT p.lot_id, p.position_id, p.part_id, p.site_id, p.condition,
               greatest(p.quantity - p.held - coalesce((SELECT sum(b.quantity) FROM listing_lot b
                 WHERE b.lot_id = p.lot_id AND b.position_id = p.position_id), 0), 0)::int AS free
        FROM (SELECT DISTINCT * FROM unnest($2::uuid[], $3::uuid[], $4::text[]) AS w (part_id, site_id, condition)) w
        JOIN position p ON p.part_id = w.part_id AND p.site_id = w.site_id AND p.condition = w.condition
        JOIN lot l ON l.lot_id = p.lot_id
        WHERE p.owner_id = $1 AND p.holder_id = $1 AND p.agreement_id IS NULL AND p.quantity > 0 AND NOT l.frozen
        ORDER BY p.lot_id, p.position_id
        """,
        company_id, [x[0] for x in places], [x[1] for x in places], [x[2] for x in places],
    )  # fmt: skip
    for r in rows:
        lots = found[r["part_id"], r["site_id"], r["condition"]]
        lots.append(Backing(r["lot_id"], r["position_id"], r["free"], r["free"]))
    return found


async def on_offer(session: AsyncSession, units: Sequence[tuple[UUID, int]]) -> list[UUID]:
    """The published listings behind which units of these lots' positions stand, by id."""
    rows = await fetch(
        session,
        "SELECT DISTINCT b.listing_id FROM unnest($1::uuid[], $2::int[]) AS u (lot_id, position_id) "
        "JOIN listing_lot b USING (lot_id, position_id) JOIN listing l ON l.id = b.listing_id AND l.published "
        "ORDER BY b.listing_id",
        [lot for lot, _ in units],
        [position for _, position in units],
    )
    return [r["listing_id"] for r in rows]


@dataclass(frozen=True, slots=True)
class Promised:
    """Part of a lot's position behind a published listing of which only ``kept`` are still there to be sold."""

    listing_id: UUID
    lot_id: UUID
    position_id: int
    quantity: int
    kept: int


# Of each (lot, position) of $1 and $2 what is loose: neither reserved, but for reservations past their time ($3), nor being
# looked for.
_THERE = """FROM (SELECT DISTINCT * FROM unnest($1::uuid[], $2::int[]) AS u (lot_id, position_id)) u
        JOIN position p ON p.lot_id = u.lot_id AND p.position_id = u.position_id
        LEFT JOIN LATERAL (
            SELECT sum(h.quantity) AS overdue FROM open_hold h
            WHERE h.lot_id = u.lot_id AND h.position_id = u.position_id AND h.expires_at <= $3
        ) o ON p.held > 0
        LEFT JOIN LATERAL (
            SELECT sum(d.quantity) AS missing FROM withdrawal d
            WHERE d.lot_id = u.lot_id AND d.position_id = u.position_id AND d.resolved_at IS NULL
        ) w ON true"""
_LOOSE = "p.quantity - p.held + coalesce(o.overdue, 0) - coalesce(w.missing, 0)"


async def over_promised_for_update(
    session: WriteSession, listing_ids: Sequence[UUID], units: Sequence[tuple[UUID, int]], now: datetime
) -> list[Promised]:
    """Locks these lots, whose listings the caller has locked, and reads what the listings promise beyond what is free
    of them and not being looked for: where several offer the same units, the newest gives way first. A reservation
    past its time counts as free."""
    lots, positions = [lot for lot, _ in units], [position for _, position in units]
    await held_lots_for_update(session, lots)
    rows = await fetch(
        session,
        f"""
        SELECT x.listing_id, x.lot_id, x.position_id, x.quantity, x.kept FROM (
            SELECT b.listing_id, b.lot_id, b.position_id, b.quantity,
                   least(b.quantity, greatest({_LOOSE} - (sum(b.quantity) OVER earlier - b.quantity), 0))::int AS kept
            {_THERE}
            JOIN listing_lot b ON b.lot_id = u.lot_id AND b.position_id = u.position_id
            WHERE b.listing_id = ANY($4::uuid[])
            WINDOW earlier AS (PARTITION BY b.lot_id, b.position_id ORDER BY b.listing_id)
        ) x WHERE x.kept < x.quantity ORDER BY x.listing_id, x.lot_id, x.position_id
        """,
        lots, positions, now, list(listing_ids),
    )  # fmt: skip
    return [Promised(**dict(r)) for r in rows]


async def unpromised_for_update(
    session: WriteSession, units: Sequence[tuple[UUID, int]], now: datetime
) -> dict[tuple[UUID, int], int]:
    """Locks these lots, whose listings the caller has locked, and reads how many of each (lot, position) are free, not
    being looked for and behind no listing. A reservation past its time counts as free."""
    lots, positions = [lot for lot, _ in units], [position for _, position in units]
    await held_lots_for_update(session, lots)
    rows = await fetch(
        session,
        f"""
        SELECT u.lot_id, u.position_id, greatest({_LOOSE} - coalesce(b.listed, 0), 0)::int AS unpromised
        {_THERE}
        LEFT JOIN LATERAL (
            SELECT sum(x.quantity) AS listed FROM listing_lot x
            WHERE x.lot_id = u.lot_id AND x.position_id = u.position_id
        ) b ON true
        """,
        lots, positions, now,
    )  # fmt: skip
    return {**dict.fromkeys(units, 0), **{(r["lot_id"], r["position_id"]): r["unpromised"] for r in rows}}


async def promised_beyond_free(
    session: AsyncSession, company_id: UUID, part_id: UUID, site_id: UUID, now: datetime
) -> int:
    """How many units the company's published listings offer of a part at a site beyond what is free of it there: what
    an act that was just done will take off them."""
    rows = await fetch(
        session,
        """
        SELECT coalesce(sum(greatest(b.listed - greatest(p.quantity - p.held + coalesce(o.overdue, 0)
                                                         - coalesce(w.missing, 0), 0), 0)), 0)::int AS beyond
        FROM position p
        JOIN LATERAL (
            SELECT sum(x.quantity) AS listed FROM listing_lot x JOIN listing l ON l.id = x.listing_id AND l.published
            WHERE x.lot_id = p.lot_id AND x.position_id = p.position_id
        ) b ON b.listed > 0
        LEFT JOIN LATERAL (
            SELECT sum(h.quantity) AS overdue FROM open_hold h
            WHERE h.lot_id = p.lot_id AND h.position_id = p.position_id AND h.expires_at <= $4
        ) o ON p.held > 0
        LEFT JOIN LATERAL (
            SELECT sum(d.quantity) AS missing FROM withdrawal d
            WHERE d.lot_id = p.lot_id AND d.position_id = p.position_id AND d.resolved_at IS NULL
        ) w ON true
        WHERE p.owner_id = $1 AND p.holder_id = $1 AND p.part_id = $2 AND p.site_id = $3 AND p.agreement_id IS NULL
        """,
        company_id, part_id, site_id, now,
    )  # fmt: skip
    return int(rows[0]["beyond"])


async def stock_for_update(session: WriteSession, company_id: UUID, part_ids: Sequence[UUID]) -> None:
    """Locks the company's lots of these parts in id order, so that two releases cannot list the same units."""
    await fetch(
        session,
        "SELECT lot_id FROM lot WHERE lot_id IN (SELECT lot_id FROM position WHERE owner_id = $1 AND holder_id = $1 "
        "AND part_id = ANY($2::uuid[]) AND quantity > 0) ORDER BY lot_id FOR NO KEY UPDATE",
        company_id,
        list(part_ids),
    )


async def known_parts(session: AsyncSession, part_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these ids are parts of the catalogue."""
    rows = await fetch(session, "SELECT id FROM part WHERE id = ANY($1::uuid[])", list(part_ids))
    return {r["id"] for r in rows}


async def protected(session: AsyncSession, company_id: UUID, part_ids: Sequence[UUID]) -> set[UUID]:
    """Parts that the company never releases: as a stock file says, or as was stated."""
    rows = await fetch(
        session,
        "SELECT DISTINCT part_id FROM stock_line WHERE company_id = $1 AND part_id = ANY($2::uuid[]) AND protected UNION "
        "SELECT f.part_id FROM part_protection f WHERE f.company_id = $1 AND f.part_id = ANY($2::uuid[]) "
        "AND NOT EXISTS (SELECT FROM part_protection_ended e WHERE e.protection_id = f.id)",
        company_id,
        list(part_ids),
    )
    return {r["part_id"] for r in rows}
