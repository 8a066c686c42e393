"""Lists of what a company holds: by part and place, and line by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.covered import Covered
from marketplace.agreements.queries import terms_and_facts
from marketplace.agreements.title import owner_words
from marketplace.db.session import fetch
from marketplace.holdings.queries.confirmed import Confirmed, confirmed
from marketplace.holdings.queries.standing import (
    CountRow,
    WithdrawalRow,
    callable_facts,
    last_count,
    withdrawals_open,
)
from marketplace.kit.errors import missing
from marketplace.kit.pages import Page, cut, read_bookmark
from marketplace.ledger.entries import kept_apart
from marketplace.ledger.queries import Unit, unit
from marketplace.parties.actor import Actor
from marketplace.parts.numbers import after_prefix, normalise

_NIL = UUID(int=0)


@dataclass(frozen=True, slots=True)
class HoldingFilter:
    """Which of the company's stock to show; None = any. ``number`` is a part number or its beginning, however
    written. ``not_counted_since``: never counted counts too."""

    number: str | None = None
    part_id: UUID | None = None
    site_id: UUID | None = None
    condition: str | None = None
    clause: str | None = None
    agreement_id: UUID | None = None
    encumbered: bool | None = None
    not_counted_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class HoldingRow:
    """Units of one part at one place under one agreement (None = nobody has a right in them), summed over lots.

    ``free`` = neither reserved nor on quality hold nor being looked for. ``value`` at the price paid, or where
    there was no sale at list. ``site`` None = in transit. ``snapshot_on``: the day of the stock file that last named own units of it. ``owner_told``: whether the reader may be given ``owner_id``.
    """

    part_id: UUID
    number: str
    description: str
    uom: str
    maker: str
    site_id: UUID | None
    site: str | None
    condition: str
    agreement_id: UUID | None
    agreement: str | None
    beneficiary_id: UUID | None
    beneficiary: str | None
    owner_id: UUID
    owner: str
    quantity: int
    held: int
    frozen: int
    withdrawn: int
    lots: int
    counted_at: datetime | None
    snapshot_on: date | None
    value: Decimal | None
    currency: str | None
    badge: str | None
    sentence: str | None
    window_closes_at: datetime | None
    holder_id: UUID
    owner_told: bool
    title_words: str = ""
    """Of units that stay the maker's: until when, and what may be done with them."""

    @property
    def apart(self) -> bool:
        """Kept for its owner."""
        return kept_apart(self.owner_id, self.holder_id, self.agreement_id)

    @property
    def free(self) -> int:
        """What can be promised or used today."""
        if self.site_id is None or self.apart:
            return 0
        return max(self.quantity - self.held - self.frozen - self.withdrawn, 0)


_HELD = """
WITH lines AS (
    SELECT p.part_id, t.number_norm, p.site_id, p.condition, p.agreement_id, p.owner_id, p.beneficiary_id,
           sum(p.quantity)::bigint AS quantity, sum(p.held)::bigint AS held, count(*)::int AS lots
    FROM position p JOIN part t ON t.id = p.part_id
    WHERE p.holder_id = $1 AND p.quantity > 0
      AND ($2::text IS NULL OR t.number_norm >= $2 AND t.number_norm < $3)
      AND ($4::uuid IS NULL OR p.part_id = $4) AND ($5::uuid IS NULL OR p.site_id = $5)
      AND ($6::text IS NULL OR p.condition = $6) AND ($7::uuid IS NULL OR p.agreement_id = $7)
      AND ($8::bool IS NULL OR (p.agreement_id IS NOT NULL) = $8)
      AND ($9::text IS NULL OR EXISTS (SELECT 1 FROM agreement x WHERE x.id = p.agreement_id AND x.clause = $9))
      AND ($10::timestamptz IS NULL OR NOT EXISTS (
          SELECT 1 FROM stock_count c WHERE c.holder_id = p.holder_id AND c.site_id = p.site_id
            AND c.part_id = p.part_id AND c.counted_at >= $10))
      AND ($11::text IS NULL OR (t.number_norm, p.part_id, coalesce(p.site_id, $17), p.condition,
           coalesce(p.agreement_id, $17), p.owner_id) > ($11, $12, $13, $14, $15, $16))
    GROUP BY p.part_id, t.number_norm, p.site_id, p.condition, p.agreement_id, p.owner_id, p.beneficiary_id
    ORDER BY t.number_norm, p.part_id, coalesce(p.site_id, $17), p.condition, coalesce(p.agreement_id, $17), p.owner_id
    LIMIT $18
)
SELECT n.part_id, n.number_norm, t.number, t.description, t.uom, k.name AS maker, n.site_id, s.name AS site, n.condition,
       n.agreement_id, n.beneficiary_id, b.name AS beneficiary, n.owner_id, o.name AS owner, n.quantity, n.held, n.lots,
       f.frozen, f.withdrawn, c.counted_at, y.snapshot_on, coalesce(l.sale_price, t.list_price) * n.quantity AS value,
       CASE WHEN l.sale_price IS NULL THEN t.currency ELSE a.currency END AS currency
FROM lines n
JOIN part t ON t.id = n.part_id JOIN maker k ON k.id = t.maker_id
JOIN company o ON o.id = n.owner_id
LEFT JOIN company b ON b.id = n.beneficiary_id
LEFT JOIN site s ON s.id = n.site_id
LEFT JOIN agreement a ON a.id = n.agreement_id
LEFT JOIN agreement_line l ON l.agreement_id = n.agreement_id AND l.part_id = n.part_id
LEFT JOIN stock_count c ON c.holder_id = $1 AND c.site_id = n.site_id AND c.part_id = n.part_id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(x.quantity - x.held) FILTER (WHERE y.frozen), 0)::bigint AS frozen,
           coalesce(sum(least(coalesce(w.quantity, 0), x.quantity - x.held)) FILTER (WHERE NOT y.frozen), 0)::bigint
               AS withdrawn
    FROM position x JOIN lot y ON y.lot_id = x.lot_id
    LEFT JOIN LATERAL (
        SELECT sum(quantity) AS quantity FROM withdrawal
        WHERE lot_id = x.lot_id AND position_id = x.position_id AND resolved_at IS NULL
    ) w ON true
    WHERE x.holder_id = $1 AND x.part_id = n.part_id AND x.quantity > 0 AND x.site_id IS NOT DISTINCT FROM n.site_id
      AND x.condition = n.condition AND x.agreement_id IS NOT DISTINCT FROM n.agreement_id AND x.owner_id = n.owner_id
) f
LEFT JOIN LATERAL (
    SELECT max(snapshot_on) AS snapshot_on FROM stock_line
    WHERE n.agreement_id IS NULL AND n.owner_id = $1 AND company_id = $1 AND part_id = n.part_id AND site_id = n.site_id
      AND condition = n.condition AND vanished_on IS NULL
) y ON true
ORDER BY n.number_norm, n.part_id, coalesce(n.site_id, $17), n.condition, coalesce(n.agreement_id, $17), n.owner_id
"""


async def what_we_hold(
    session: AsyncSession,
    actor: Actor,
    wanted: HoldingFilter,
    *,
    after: str | None = None,
    limit: int = 50,
    secret: str,
) -> Page[HoldingRow]:
    """What the actor's company holds, by part number and place. Serves partners and, for its own stock, the maker.
    At most three statements a page."""
    key = read_bookmark(after, secret, str, UUID, UUID, str, UUID, UUID)
    prefix = normalise(wanted.number) if wanted.number else None
    rows = await fetch(
        session,
        _HELD,
        actor.company_id,
        prefix,
        after_prefix(prefix) if prefix else None,
        wanted.part_id,
        wanted.site_id,
        wanted.condition,
        wanted.agreement_id,
        wanted.encumbered,
        wanted.clause,
        wanted.not_counted_since,
        key[0] if key else None,
        key[1] if key else None,
        key[2] if key else None,
        key[3] if key else None,
        key[4] if key else None,
        key[5] if key else None,
        _NIL,
        limit + 1,
    )
    page = cut(
        rows,
        limit,
        lambda r: [
            r["number_norm"], r["part_id"], r["site_id"] or _NIL, r["condition"], r["agreement_id"] or _NIL,
            r["owner_id"],
        ],
        secret,
    )  # fmt: skip
    pairs = [(r["agreement_id"], r["part_id"]) for r in page.items if r["agreement_id"]]
    covered = await terms_and_facts(session, pairs)
    return page.map(lambda r: _row(r, covered.get((r["agreement_id"], r["part_id"])), actor))


def _row(r: asyncpg.Record, covered: Covered | None, reader: Actor) -> HoldingRow:
    values = dict(r)
    del values["number_norm"]
    # What came back to a maker and is not its own yet names whom it came from.
    veiled = reader.veils(r["owner_id"], reader.company_id, r["beneficiary_id"])
    values["owner"] = reader.told(r["owner_id"], r["owner"], veiled=veiled)
    badge = covered.badge if covered else None
    return HoldingRow(
        **values,
        agreement=covered.reference if covered else None,
        badge=badge.short if badge else None,
        sentence=badge.sentence if badge else None,
        window_closes_at=covered.window_closes_at if covered else None,
        holder_id=reader.company_id,
        owner_told=not veiled or reader.knows(r["owner_id"]),
        title_words=owner_words(covered.clauses) if covered and r["owner_id"] == covered.maker_id else "",
    )


@dataclass(frozen=True, slots=True)
class ClauseTotal:
    """How much of what the company holds is under which clause (None = nobody has a right in it)."""

    clause: str | None
    currency: str | None
    quantity: int
    held: int
    lots: int
    parts: int
    value: Decimal | None


async def totals_by_clause(session: AsyncSession, actor: Actor) -> Sequence[ClauseTotal]:
    """Units the actor's company holds, by clause and currency."""
    rows = await fetch(
        session,
        """
        SELECT a.clause, CASE WHEN l.sale_price IS NULL THEN t.currency ELSE a.currency END AS currency,
               sum(p.quantity)::bigint AS quantity, sum(p.held)::bigint AS held, count(*)::int AS lots,
               count(DISTINCT p.part_id)::int AS parts, sum(p.quantity * coalesce(l.sale_price, t.list_price)) AS value
        FROM position p JOIN part t ON t.id = p.part_id
        LEFT JOIN agreement a ON a.id = p.agreement_id
        LEFT JOIN agreement_line l ON l.agreement_id = p.agreement_id AND l.part_id = p.part_id
        WHERE p.holder_id = $1 AND p.quantity > 0 GROUP BY 1, 2 ORDER BY 1 NULLS LAST, 2
        """,
        actor.company_id,
    )
    return [ClauseTotal(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class StockLineRow:
    """One exact stock line: a lot at a place. What an act names when it means just these units."""

    lot_id: UUID
    position_id: int
    part_id: UUID
    number: str
    description: str
    uom: str
    serial: str | None
    batch: str | None
    expires_on: date | None
    frozen: bool
    owner_id: UUID
    site_id: UUID | None
    site: str | None
    condition: str
    agreement_id: UUID | None
    agreement: str | None
    beneficiary: str | None
    quantity: int
    held: int


async def stock_lines(
    session: AsyncSession,
    actor: Actor,
    wanted: HoldingFilter,
    *,
    after: str | None = None,
    limit: int = 50,
    secret: str,
) -> Page[StockLineRow]:
    """The exact stock lines behind what the actor's company holds, by part and lot."""
    key = read_bookmark(after, secret, UUID, UUID, int)
    prefix = normalise(wanted.number) if wanted.number else None
    rows = await fetch(
        session,
        """
        SELECT p.lot_id, p.position_id, p.part_id, t.number, t.description, t.uom, y.serial, y.batch, y.expires_on,
               y.frozen, p.owner_id, p.site_id, s.name AS site, p.condition, p.agreement_id, a.reference AS agreement,
               b.name AS beneficiary, p.quantity, p.held
        FROM position p JOIN part t ON t.id = p.part_id JOIN lot y ON y.lot_id = p.lot_id
        LEFT JOIN site s ON s.id = p.site_id LEFT JOIN agreement a ON a.id = p.agreement_id
        LEFT JOIN company b ON b.id = p.beneficiary_id
        WHERE p.holder_id = $1 AND p.quantity > 0
          AND ($2::text IS NULL OR t.number_norm >= $2 AND t.number_norm < $3)
          AND ($4::uuid IS NULL OR p.part_id = $4) AND ($5::uuid IS NULL OR p.site_id = $5)
          AND ($6::text IS NULL OR p.condition = $6) AND ($7::uuid IS NULL OR p.agreement_id = $7)
          AND ($8::bool IS NULL OR (p.agreement_id IS NOT NULL) = $8)
          AND ($9::text IS NULL OR a.clause = $9)
          AND ($10::uuid IS NULL OR (p.part_id, p.lot_id, p.position_id) > ($10, $11, $12))
        ORDER BY p.part_id, p.lot_id, p.position_id LIMIT $13
        """,
        actor.company_id,
        prefix,
        after_prefix(prefix) if prefix else None,
        wanted.part_id,
        wanted.site_id,
        wanted.condition,
        wanted.agreement_id,
        wanted.encumbered,
        wanted.clause,
        key[0] if key else None,
        key[1] if key else None,
        key[2] if key else None,
        limit + 1,
    )
    lines = [StockLineRow(**dict(r)) for r in rows]
    return cut(lines, limit, lambda r: [r.part_id, r.lot_id, r.position_id], secret)


@dataclass(frozen=True, slots=True)
class Holding:
    """A unit or lot with everything that bears on it: stock lines, what each agreement says, last counts by site,
    units being looked for."""

    unit: Unit
    covered: dict[UUID, Covered]
    counts: dict[UUID, CountRow]
    withdrawals: tuple[WithdrawalRow, ...]
    confirmed: Mapping[tuple[UUID, int], Confirmed]

    @property
    def untold(self) -> frozenset[UUID]:
        """Agreements that the reader is not told: it is no party, or a maker hides its holders from it."""
        hidden = (line.agreement_id for line in self.unit.lines if line.veiled or not line.party)
        return frozenset(agreement for agreement in hidden if agreement)


async def holding(session: AsyncSession, actor: Actor, lot_id: UUID) -> Holding:
    """One lot as the actor's company may see it. Raises ``ledger.not_found``."""
    found = await unit(session, actor, lot_id)
    if found is None:
        raise missing("ledger.not_found", "No such unit.")
    pairs = [(line.agreement_id, found.part_id) for line in found.lines if line.agreement_id]
    covered = await callable_facts(session, pairs)
    counts: dict[UUID, CountRow] = {}
    for holder_id, site_id in {(line.holder_id, line.site_id) for line in found.lines}:
        count = await last_count(session, holder_id, site_id, found.part_id) if site_id else None
        if site_id and count:
            counts[site_id] = count
    looked_for = await withdrawals_open(session, actor, part_id=found.part_id)
    return Holding(
        found,
        {agreement: c for (agreement, _), c in covered.items()},
        counts,
        tuple(w for w in looked_for if w.lot_id == lot_id),
        await confirmed(session, [(lot_id, line.position_id) for line in found.lines]),
    )


@dataclass(frozen=True, slots=True)
class Strings:
    """How many of the units that a company holds are under which clause, and reserved."""

    clause: str
    agreements: int
    quantity: int
    held: int


async def under_which_strings(session: AsyncSession, actor: Actor) -> Sequence[Strings]:
    """As ``totals_by_clause`` of what others have a right in, without what it is worth: read from the index of what is under an
    agreement, however much of its own the company holds."""
    rows = await fetch(
        session,
        "SELECT a.clause, count(s.agreement_id)::int AS agreements, sum(s.quantity)::bigint AS quantity, sum(s.held)::bigint AS held FROM ("
        "SELECT agreement_id, sum(quantity) AS quantity, sum(held) AS held FROM position "
        "WHERE holder_id = $1 AND quantity > 0 AND agreement_id IS NOT NULL GROUP BY agreement_id"
        ") s JOIN agreement a ON a.id = s.agreement_id GROUP BY 1 ORDER BY 1",
        actor.company_id,
    )  # fmt: skip
    return [Strings(**dict(r)) for r in rows]
