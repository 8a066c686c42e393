"""What agreements say about units as they stand, and the locks under which that is decided."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.circumstances import lengthened
from marketplace.agreements.covered import IN_FORCE, NOTHING, Covered, Right, Standing
from marketplace.agreements.facts import Facts
from marketplace.agreements.terms import Terms, Urgency, parse_terms
from marketplace.db.session import WriteSession, fetch
from marketplace.kit.errors import missing
from marketplace.kit.money import Money

Pair = tuple[UUID, UUID]
"""(agreement id, part id)."""


@dataclass(frozen=True, slots=True)
class Locked:
    """An agreement's living columns as read under its lock."""

    id: UUID
    reference: str
    framework_id: UUID
    maker_id: UUID
    holder_id: UUID
    order_id: UUID | None
    clause: str
    version: int
    status: str
    legal_hold: bool
    wording_sha256: bytes
    zone: str
    schedule_date: date
    tolled_days: int
    frozen_days: int
    renewals: int
    suspended_on: date | None
    suspended_by: UUID | None
    maker_signed_at: datetime | None
    holder_signed_at: datetime | None


async def agreements_for_update(session: WriteSession, ids: Iterable[UUID]) -> dict[UUID, Locked]:
    """Locks agreements in id order, then reads them. Rows that the tenant may not change are left out.

    Lots are locked before agreements, everywhere.
    """
    wanted = sorted(set(ids))
    await fetch(session, "SELECT id FROM agreement WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE", wanted)
    rows = await fetch(
        session,
        "SELECT id, reference, framework_id, maker_id, holder_id, order_id, clause, version, status, legal_hold, "
        "wording_sha256, zone, schedule_date, tolled_days, frozen_days, renewals, suspended_on, suspended_by, maker_signed_at, "
        "holder_signed_at FROM agreement WHERE id = ANY($1::uuid[])",
        wanted,
    )
    return {r["id"]: Locked(**dict(r)) for r in rows}


async def agreement_for_update(session: WriteSession, agreement_id: UUID) -> Locked:
    """Locks one agreement. Raises ``agreement.not_found``."""
    found = (await agreements_for_update(session, [agreement_id])).get(agreement_id)
    if found is None:
        raise missing("agreement.not_found", "No such agreement.")
    return found


# Signed terms never change, so what was parsed once stays right for good. Agreements share their terms by the
# hundred: the second cache makes them one object.
_KEPT = 50_000
_terms_of: OrderedDict[UUID, Terms] = OrderedDict()


@lru_cache(maxsize=4_096)
def _parsed(clause: str, version: int, raw: str) -> Terms:
    return parse_terms(clause, version, json.loads(raw))


def keep_terms(agreement_id: UUID, clause: str, version: int, raw: str) -> Terms:
    """The typed terms of an agreement from its row, remembered."""
    terms = _terms_of[agreement_id] = _parsed(clause, version, raw)
    if len(_terms_of) > _KEPT:
        _terms_of.popitem(last=False)
    return terms


_RIGHT = """w.agreement_id, w.part_id, a.reference, a.status, a.currency, a.zone, a.schedule_date, a.legal_hold,
       a.exercises, a.tolled_days, a.frozen_days, a.renewals, a.holder_id, l.quantity_sold, l.sale_price, l.list_price,
       l.minimum_to_keep - l.minimum_passed_on AS minimum_to_keep,
       l.taken_back, l.not_accepted"""
_OF_PAIRS = """
FROM unnest($1::uuid[], $2::uuid[]) AS w (agreement_id, part_id)
JOIN agreement a ON a.id = w.agreement_id
JOIN agreement_line l ON l.agreement_id = w.agreement_id AND l.part_id = w.part_id
"""
_STANDING = """
LEFT JOIN LATERAL (
    -- One look into the index per pair: as a joined aggregate the planner ran it once for every row.
    SELECT sum(p.quantity) AS remaining, sum(p.held) AS held,
           sum(p.quantity - p.held) FILTER (WHERE p.site_id IS NULL) AS in_transit,
           sum(p.quantity - p.held) FILTER (WHERE p.site_id IS NOT NULL AND t.frozen) AS quality_held
    FROM position p JOIN lot t ON t.lot_id = p.lot_id
    WHERE p.agreement_id = w.agreement_id AND p.part_id = w.part_id AND p.holder_id = a.holder_id AND p.quantity > 0
) q ON true
"""
_RIGHTS = f"SELECT {_RIGHT} {_OF_PAIRS}"
_FACTS = f"""
SELECT {_RIGHT}, a.maker_id, m.name AS maker, h.name AS holder, a.status_reason, a.clause, a.version, a.use_class,
       a.window_opens_at, a.window_closes_at,
       coalesce(q.remaining, 0)::bigint AS remaining, coalesce(q.held, 0)::bigint AS held,
       coalesce(q.in_transit, 0)::bigint AS in_transit, coalesce(q.quality_held, 0)::bigint AS quality_held
{_OF_PAIRS} {_STANDING} JOIN company m ON m.id = a.maker_id JOIN company h ON h.id = a.holder_id
"""


async def terms_and_facts(
    session: AsyncSession, pairs: Sequence[Pair], *, requested: int = 0, urgency: Urgency = Urgency.STOCK
) -> dict[Pair, Covered]:
    """What each agreement says about each part, as things stand, for a call of so many units with this urgency. Pairs
    that are not there or not visible are left out. Two statements at most, however many pairs.

    Units in transit to the maker still count as remaining until they are received. Units withdrawn pending a
    count are known to holdings above: ``holdings.queries.callable_facts`` adds them.
    """
    rows, terms = await _standing(session, _FACTS, pairs)
    return {
        (r["agreement_id"], r["part_id"]): Covered(
            r["agreement_id"], r["part_id"], r["reference"], r["maker_id"], r["maker"], r["holder_id"], r["holder"],
            r["status"], r["status_reason"], r["clause"], r["version"], r["use_class"], r["schedule_date"],
            r["window_opens_at"], r["window_closes_at"], terms[r["agreement_id"]],
            _facts(
                r, Standing(r["remaining"], r["held"], r["in_transit"], r["quality_held"]), requested, urgency
            ),
        )
        for r in rows
    }  # fmt: skip


async def rights(
    session: AsyncSession,
    standing: Mapping[tuple[UUID, UUID, UUID], Standing],
    *,
    requested: int = 0,
    urgency: Urgency = Urgency.STOCK,
) -> dict[Pair, Right]:
    """As ``terms_and_facts``, for a search over thousands that has read all units under these agreements already, by
    (agreement, part, holder): without what only a page about the agreement shows."""
    rows, terms = await _standing(session, _RIGHTS, [(agreement, part) for agreement, part, _ in standing])
    return {
        (agreement := r["agreement_id"], part := r["part_id"]): Right(
            r["reference"],
            terms[agreement],
            _facts(r, standing.get((agreement, part, r["holder_id"]), NOTHING), requested, urgency),
        )
        for r in rows
    }


async def _standing(
    session: AsyncSession, statement: str, pairs: Sequence[Pair]
) -> tuple[Sequence[asyncpg.Record], dict[UUID, Terms]]:
    """The rows of these pairs, and the terms of their agreements."""
    wanted = list(dict.fromkeys(pairs))
    if not wanted:
        return (), {}
    rows = await fetch(session, statement, [a for a, _ in wanted], [p for _, p in wanted])
    found = {r["agreement_id"] for r in rows}
    terms: dict[UUID, Terms] = {}
    for agreement_id in found:
        kept = _terms_of.get(agreement_id)
        if kept is not None:
            _terms_of.move_to_end(agreement_id)
            terms[agreement_id] = kept
    if unknown := list(found - terms.keys()):
        for r in await fetch(
            session, "SELECT id, clause, version, terms::text FROM agreement WHERE id = ANY($1::uuid[])", unknown
        ):
            terms[r["id"]] = keep_terms(r["id"], r["clause"], r["version"], r["terms"])
    return rows, terms


def _facts(r: asyncpg.Record, units: Standing, requested: int, urgency: Urgency) -> Facts:
    # Units found beyond what was accepted are the holder's own: no schedule can reach more than it sold.
    remaining = min(units.remaining, r["quantity_sold"] - r["not_accepted"])
    held = min(units.held, remaining)
    in_transit = min(units.in_transit, remaining - held)
    quality_held = min(units.quality_held, remaining - held - in_transit)
    return Facts(
        schedule_date=r["schedule_date"],
        zone=r["zone"],
        sale_price=Money(r["sale_price"], r["currency"]),
        list_price=None if r["list_price"] is None else Money(r["list_price"], r["currency"]),
        quantity_sold=r["quantity_sold"],
        remaining=remaining,
        minimum_to_keep=r["minimum_to_keep"],
        held=held,
        in_transit=in_transit,
        quality_held=quality_held,
        not_accepted=r["not_accepted"],
        taken_back=r["taken_back"],
        exercises=r["exercises"],
        legal_hold=r["legal_hold"],
        suspended=r["status"] not in IN_FORCE,
        tolled_days=r["tolled_days"],
        requested=requested,
        urgency=urgency,
        circumstances=lengthened(r["renewals"], r["frozen_days"]),
    )
