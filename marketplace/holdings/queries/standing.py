"""How sure a quantity is: last counts, units being looked for, quality holds, and transactions to correct."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements import queries as agreements
from marketplace.agreements.covered import Covered
from marketplace.agreements.queries import Pair
from marketplace.db.session import fetch, fetch_one, fetch_value
from marketplace.parties.actor import Actor


async def callable_facts(session: AsyncSession, pairs: Sequence[Pair]) -> dict[Pair, Covered]:
    """As ``agreements.queries.terms_and_facts``, with units that are being looked for taken out of reach. One
    statement more, however many pairs."""
    covered = await agreements.terms_and_facts(session, pairs)
    if not covered:
        return covered
    rows = await fetch(
        session,
        """
        SELECT p.agreement_id, p.part_id, p.holder_id, sum(least(w.quantity, p.quantity - p.held))::bigint AS withdrawn
        FROM (SELECT lot_id, position_id, sum(quantity) AS quantity FROM withdrawal
              WHERE resolved_at IS NULL GROUP BY lot_id, position_id) w
        JOIN position p ON p.lot_id = w.lot_id AND p.position_id = w.position_id
        JOIN lot l ON l.lot_id = p.lot_id
        WHERE p.agreement_id = ANY($1::uuid[]) AND p.site_id IS NOT NULL AND NOT l.frozen AND p.quantity > p.held
        GROUP BY p.agreement_id, p.part_id, p.holder_id
        """,
        list({agreement for agreement, _ in covered}),
    )
    for r in rows:
        key = (r["agreement_id"], r["part_id"])
        known = covered.get(key)
        if known is None or known.holder_id != r["holder_id"]:
            continue
        facts = known.facts
        loose = facts.remaining - facts.held - facts.in_transit - facts.quality_held
        covered[key] = known._replace(facts=replace(facts, withdrawn=min(r["withdrawn"], loose)))
    return covered


@dataclass(frozen=True, slots=True)
class CountRow:
    """The last count of a part at a site."""

    counted_at: datetime
    counted: int
    expected: int


async def last_count(session: AsyncSession, holder_id: UUID, site_id: UUID, part_id: UUID) -> CountRow | None:
    """When a holder last counted a part at a site, and what it found."""
    row = await fetch_one(
        session,
        "SELECT counted_at, counted, expected FROM stock_count WHERE holder_id = $1 AND site_id = $2 AND part_id = $3",
        holder_id,
        site_id,
        part_id,
    )
    return CountRow(**dict(row)) if row else None


@dataclass(frozen=True, slots=True)
class WithdrawalRow:
    """Units said not to be on the shelf, waiting for a count. ``veiled``: a maker hides its holders from the reader, so
    holder and place are told only roughly and neither id may be shown."""

    id: UUID
    lot_id: UUID
    position_id: int
    part_id: UUID
    number: str
    holder_id: UUID
    holder: str
    site_id: UUID
    site: str | None
    quantity: int
    opened_at: datetime
    veiled: bool


async def withdrawals_open(
    session: AsyncSession, actor: Actor, *, part_id: UUID | None = None, limit: int = 200
) -> Sequence[WithdrawalRow]:
    """Units that the actor's company holds or may call and that wait for a count, oldest first."""
    rows = await fetch(
        session,
        "SELECT w.id, w.lot_id, w.position_id, w.part_id, p.number, w.holder_id, h.name AS holder, w.site_id, "
        "s.name AS site, s.region, w.beneficiary_id, w.quantity, w.opened_at FROM withdrawal w JOIN part p ON p.id = w.part_id "
        "JOIN company h ON h.id = w.holder_id LEFT JOIN site s ON s.id = w.site_id "
        "WHERE w.resolved_at IS NULL AND (w.holder_id = $1 OR w.beneficiary_id = $1) "
        "AND ($2::uuid IS NULL OR w.part_id = $2) ORDER BY w.opened_at, w.id LIMIT $3",
        actor.company_id,
        part_id,
        limit,
    )
    return [_withdrawal(dict(r), actor) for r in rows]


def _withdrawal(values: dict[str, Any], reader: Actor) -> WithdrawalRow:
    holder, region = values["holder_id"], values.pop("region")
    veiled = reader.veils(holder, holder, values.pop("beneficiary_id"))
    values["holder"] = reader.told(holder, values["holder"], veiled=veiled, region=region)
    values["site"] = reader.told_place(holder, values["site"], veiled=veiled, region=region)
    return WithdrawalRow(**values, veiled=veiled)


@dataclass(frozen=True, slots=True)
class ToCountRow:
    """A place where the company itself said that units are not on the shelf, and has not counted since."""

    part_id: UUID
    number: str
    site_id: UUID
    site: str
    quantity: int
    opened_at: datetime


async def places_to_count(
    session: AsyncSession, actor: Actor, *, after: Sequence[Any] | None = None, limit: int = 51
) -> Sequence[ToCountRow]:
    """The company's own places that wait for a count, one for each part and site, longest waiting first; up to
    ``limit`` for kit.pages.cut, behind the key ``after`` of opened_at, part_id, site_id."""
    rows = await fetch(
        session,
        "SELECT w.part_id, p.number, w.site_id, s.name AS site, sum(w.quantity)::bigint AS quantity, "
        "min(w.opened_at) AS opened_at FROM withdrawal w JOIN part p ON p.id = w.part_id JOIN site s ON s.id = w.site_id "
        "WHERE w.resolved_at IS NULL AND w.holder_id = $1 GROUP BY w.part_id, p.number, w.site_id, s.name "
        "HAVING $3::timestamptz IS NULL OR (min(w.opened_at), w.part_id, w.site_id) > ($3, $4::uuid, $5::uuid) "
        "ORDER BY min(w.opened_at), w.part_id, w.site_id LIMIT $2",
        actor.company_id, limit, *(after or (None, None, None)),
    )  # fmt: skip
    return [ToCountRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class FreezeTarget:
    """A lot that a quality hold could reach, through a stock line the actor may see."""

    lot_id: UUID
    position_id: int
    quantity: int
    part_id: UUID
    holder_id: UUID
    frozen_by: UUID | None


async def freeze_targets(
    session: AsyncSession,
    actor: Actor,
    *,
    frozen: bool,
    lot_ids: Sequence[UUID] | None,
    part_id: UUID | None,
    batch: str | None,
    serial_from: str | None,
    serial_to: str | None,
    limit: int,
) -> Sequence[FreezeTarget]:
    """Lots that are (or are not) on quality hold, of parts that the actor's company makes or of units it owns.

    Serials compare as people number them: shorter ones first, then by character.
    """
    rows = await fetch(
        session,
        """
        SELECT DISTINCT ON (l.lot_id) l.lot_id, p.position_id, p.quantity, l.part_id, p.holder_id,
               CASE WHEN l.frozen THEN (
                   SELECT m.company_id FROM movement m WHERE m.lot_id = l.lot_id AND m.kind = 'freeze'
                   ORDER BY m.seq DESC LIMIT 1) END AS frozen_by
        FROM lot l JOIN position p ON p.lot_id = l.lot_id AND p.quantity > 0
        JOIN part t ON t.id = l.part_id JOIN maker k ON k.id = t.maker_id
        WHERE l.frozen = $2 AND (k.company_id = $1 OR p.owner_id = $1)
          AND $1 IN (p.owner_id, p.holder_id, p.beneficiary_id)
          AND ($3::uuid[] IS NULL OR l.lot_id = ANY($3)) AND ($4::uuid IS NULL OR l.part_id = $4)
          AND ($5::text IS NULL OR upper(l.batch) = upper($5))
          AND ($6::text IS NULL OR (length(l.serial), upper(l.serial) COLLATE "C") >= (length($6), upper($6) COLLATE "C"))
          AND ($7::text IS NULL OR (length(l.serial), upper(l.serial) COLLATE "C") <= (length($7), upper($7) COLLATE "C"))
        ORDER BY l.lot_id, p.quantity DESC, p.position_id LIMIT $8
        """,
        actor.company_id,
        frozen,
        list(lot_ids) if lot_ids is not None else None,
        part_id,
        batch,
        serial_from,
        serial_to,
        limit,
    )
    return [FreezeTarget(**dict(r)) for r in rows]


async def movement_to_correct(session: AsyncSession, lot_id: UUID, seq: int) -> asyncpg.Record | None:
    """Who recorded a stock transaction, of what kind and how many, under which agreement, from which site of the
    recorder's own, and by which transaction of the same act title passed before it; None where it is not visible."""
    return await fetch_one(
        session,
        "SELECT m.company_id, m.kind, m.purpose, m.quantity, m.cause_kind, m.agreement_id, m.permit_id, m.command_id, l.part_id, "
        "s.id AS from_site_id, s.name AS from_site, p.uom, (SELECT t.seq FROM movement t WHERE t.lot_id = m.lot_id "
        "AND t.seq = m.seq - 1 AND t.kind = 'title' AND t.command_id = m.command_id) AS title_seq FROM movement m JOIN lot l ON l.lot_id = m.lot_id JOIN part p ON p.id = l.part_id "
        "LEFT JOIN position f ON f.lot_id = m.lot_id AND f.position_id = m.from_position "
        "LEFT JOIN site s ON s.id = f.site_id AND s.company_id = m.company_id WHERE m.lot_id = $1 AND m.seq = $2",
        lot_id,
        seq,
    )


async def units_at(session: AsyncSession, company_id: UUID, site_id: UUID) -> int:
    """How many units a company holds at a site."""
    count: int = await fetch_value(
        session,
        "SELECT coalesce(sum(quantity), 0)::bigint FROM position WHERE site_id = $1 AND holder_id = $2 AND quantity > 0",
        site_id,
        company_id,
    )
    return count
