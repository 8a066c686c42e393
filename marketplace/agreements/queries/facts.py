"""What agreements say about units as they stand, and the locks under which that is decided."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.circumstances import Circumstances, lengthened
from marketplace.agreements.combined import above_the_minimum
from marketplace.agreements.covered import IN_FORCE, NOTHING, OUT_OF_FORCE, Covered, Right, Standing
from marketplace.agreements.facts import Facts
from marketplace.agreements.queries.circumstances import Asked, circumstances
from marketplace.agreements.term_kinds import Title
from marketplace.agreements.terms import Terms, Urgency, parse_terms
from marketplace.agreements.title import kept_by, title_of
from marketplace.agreements.together import read_further
from marketplace.db.session import WriteSession, fetch
from marketplace.kit.clock import local_day
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
    suspension_ends_at: datetime | None
    hold_adds_days: bool
    maker_signed_at: datetime | None
    holder_signed_at: datetime | None
    dated_by_signature: bool

    def dated(self, now: datetime) -> date:
        """The schedule date; of an offer that says so the day that a second signature ``now`` would give it."""
        return local_day(now, self.zone) if self.status == "offered" and self.dated_by_signature else self.schedule_date


async def agreements_for_update(session: WriteSession, ids: Iterable[UUID]) -> dict[UUID, Locked]:
    """Locks agreements in id order, then reads them. Rows that the tenant may not change are left out.

    Lots are locked before agreements, everywhere.
    """
    wanted = sorted(set(ids))
    await fetch(session, "SELECT id FROM agreement WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE", wanted)
    rows = await fetch(
        session,
        "SELECT id, reference, framework_id, maker_id, holder_id, order_id, clause, version, status, legal_hold, "
        "wording_sha256, zone, schedule_date, tolled_days, frozen_days, renewals, suspended_on, suspended_by, "
        "suspension_ends_at, hold_adds_days, maker_signed_at, holder_signed_at, dated_by_signature FROM agreement WHERE id = ANY($1::uuid[])",
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
_clauses_of: OrderedDict[UUID, tuple[Terms, ...]] = OrderedDict()


@lru_cache(maxsize=4_096)
def read_terms(clause: str, version: int, raw: str) -> Terms:
    """The typed terms of a clause from their JSON text, remembered."""
    return parse_terms(clause, version, json.loads(raw))


@lru_cache(maxsize=1_024)
def _further(raw: str) -> tuple[Terms, ...]:
    return read_further(raw)


_RIGHT = """w.agreement_id, w.part_id, a.reference, a.status, a.currency, a.zone, a.schedule_date, a.legal_hold,
       a.exercises, a.tolled_days, a.frozen_days, a.renewals, a.exported_on, a.suspension_ends_at, a.non_renewal_at IS NOT NULL AS not_renewed, a.holder_id, l.quantity_sold, l.sale_price, l.list_price,
       l.minimum_to_keep - l.minimum_passed_on AS minimum_to_keep,
       l.taken_back, l.taken_above, l.not_accepted, l.bought"""
_OF_PAIRS = """
FROM unnest($1::uuid[], $2::uuid[]) AS w (agreement_id, part_id)
JOIN agreement a ON a.id = w.agreement_id
JOIN agreement_line l ON l.agreement_id = w.agreement_id AND l.part_id = w.part_id
"""
BACK = """CASE WHEN p.site_id IS NULL THEN (
    SELECT m.cause_kind FROM movement m WHERE m.lot_id = p.lot_id AND m.to_position = p.position_id
    ORDER BY m.seq DESC LIMIT 1
) <> 'resale' ELSE false END"""
"""Whether the units of a position ``p`` are with a carrier to the manufacturer, and not to a buyer to whom they are sold on."""
_STANDING = f"""
LEFT JOIN LATERAL (
    -- One look into the index per pair: as a joined aggregate the planner ran it once for every row.
    SELECT sum(p.quantity) FILTER (WHERE p.site_id IS NOT NULL) AS remaining, sum(p.held) AS held,
           sum(p.quantity - p.held) FILTER (WHERE p.site_id IS NOT NULL AND t.frozen) AS quality_held,
           sum(p.quantity) FILTER (WHERE p.site_id IS NOT NULL AND p.owner_id = a.maker_id) AS kept,
           sum(p.quantity) FILTER (WHERE {BACK}) AS back
    FROM position p JOIN lot t ON t.lot_id = p.lot_id
    WHERE p.agreement_id = w.agreement_id AND p.part_id = w.part_id AND p.holder_id = a.holder_id AND p.quantity > 0
) q ON true
"""
# Only where clauses share the units so. By the order that the ledger names as the cause, so that nothing has to be kept in step.
_ABOVE = """
SELECT w.agreement_id, w.part_id,
       (SELECT sum(h.quantity) FROM position p
        JOIN open_hold h ON h.lot_id = p.lot_id AND h.position_id = p.position_id
        JOIN agreement_exercise e ON e.call_id = h.cause_id AND e.above
        WHERE p.agreement_id = w.agreement_id AND p.part_id = w.part_id AND p.holder_id = a.holder_id AND p.held > 0)::int AS held,
       (SELECT sum(p.quantity) FROM position p
        CROSS JOIN LATERAL (SELECT m.cause_id FROM movement m WHERE m.lot_id = p.lot_id AND m.to_position = p.position_id
                            ORDER BY m.seq DESC LIMIT 1) m
        JOIN agreement_exercise e ON e.call_id = m.cause_id AND e.above
        WHERE p.agreement_id = w.agreement_id AND p.part_id = w.part_id AND p.holder_id = a.holder_id AND p.site_id IS NULL
          AND p.quantity > 0)::int AS back
FROM unnest($1::uuid[], $2::uuid[]) AS w (agreement_id, part_id) JOIN agreement a ON a.id = w.agreement_id
"""
_RIGHTS = f"SELECT {_RIGHT} {_OF_PAIRS}"
_FACTS = f"""
SELECT {_RIGHT}, a.maker_id, m.name AS maker, h.name AS holder, a.status_reason, a.clause, a.version, a.use_class,
       a.window_opens_at, a.window_closes_at,
       coalesce(q.remaining, 0)::bigint AS remaining, coalesce(q.held, 0)::bigint AS held,
       coalesce(q.quality_held, 0)::bigint AS quality_held,
       coalesce(q.kept, 0)::bigint AS kept, coalesce(q.back, 0)::bigint AS back
{_OF_PAIRS} {_STANDING} JOIN company m ON m.id = a.maker_id JOIN company h ON h.id = a.holder_id
"""


async def terms_and_facts(
    session: AsyncSession, pairs: Sequence[Pair], *, requested: int = 0, urgency: Urgency = Urgency.STOCK
) -> dict[Pair, Covered]:
    """What each agreement says about each part, as things stand, for a call of so many units with this urgency. Pairs
    that are not there or not visible are left out. A constant number of statements, however many pairs: two, and what terms of the second
    library ask for beside.

    Units with a carrier, on their way to the manufacturer or a buyer, do not remain (``Standing``). Units withdrawn pending a
    count are known to holdings above: ``holdings.queries.callable_facts`` adds them.
    """
    rows, clauses = await _standing(session, _FACTS, pairs)
    known = await circumstances(session, {(r["agreement_id"], r["part_id"]): _asked(r, clauses) for r in rows})
    above = await _above(session, rows, clauses)
    return {
        (r["agreement_id"], r["part_id"]): Covered(
            r["agreement_id"], r["part_id"], r["reference"], r["maker_id"], r["maker"], r["holder_id"], r["holder"],
            r["status"], r["status_reason"], r["clause"], r["version"], r["use_class"], r["schedule_date"],
            r["window_opens_at"], r["window_closes_at"], clauses[r["agreement_id"]][0],
            _facts(
                r, Standing(r["remaining"], r["held"], r["quality_held"], r["back"]), requested, urgency,
                known.get((r["agreement_id"], r["part_id"])), _unpaid(r, clauses[r["agreement_id"]]),
                above.get((r["agreement_id"], r["part_id"]), (0, 0)),
            ),
            clauses[r["agreement_id"]][1:],
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
    rows, clauses = await _standing(session, _RIGHTS, [(agreement, part) for agreement, part, _ in standing])
    known = await circumstances(session, {(r["agreement_id"], r["part_id"]): _asked(r, clauses) for r in rows})
    above = await _above(session, rows, clauses)
    return {
        (agreement := r["agreement_id"], part := r["part_id"]): Right(
            r["reference"],
            clauses[agreement][0],
            _facts(
                r,
                standing.get((agreement, part, r["holder_id"]), NOTHING),
                requested,
                urgency,
                known.get((agreement, part)),
                above=above.get((agreement, part), (0, 0)),
            ),
            clauses[agreement][1:],
        )
        for r in rows
    }


def _asked(r: asyncpg.Record, clauses: Mapping[UUID, tuple[Terms, ...]]) -> Asked:
    return Asked(clauses[r["agreement_id"]], r["currency"], r["zone"])


async def _standing(
    session: AsyncSession, statement: str, pairs: Sequence[Pair]
) -> tuple[Sequence[asyncpg.Record], dict[UUID, tuple[Terms, ...]]]:
    """The rows of these pairs, and the terms of each clause of their agreements."""
    wanted = list(dict.fromkeys(pairs))
    if not wanted:
        return (), {}
    rows = await fetch(session, statement, [a for a, _ in wanted], [p for _, p in wanted])
    return rows, await clauses_of_agreements(session, {r["agreement_id"] for r in rows})


async def clauses_of_agreements(session: AsyncSession, seen: Collection[UUID]) -> dict[UUID, tuple[Terms, ...]]:
    """The terms of each clause of agreements that the tenant was shown already, the first one first; one statement, and none for those
    that were read before: signed terms never change."""
    clauses: dict[UUID, tuple[Terms, ...]] = {}
    for agreement_id in seen:
        kept = _clauses_of.get(agreement_id)
        if kept is not None:
            _clauses_of.move_to_end(agreement_id)
            clauses[agreement_id] = kept
    if unknown := [i for i in seen if i not in clauses]:
        for r in await fetch(
            session,
            "SELECT id, clause, version, terms::text, further::text FROM agreement WHERE id = ANY($1::uuid[])",
            unknown,
        ):
            first = read_terms(r["clause"], r["version"], r["terms"])
            clauses[r["id"]] = _clauses_of[r["id"]] = (first, *_further(r["further"]))
            if len(_clauses_of) > _KEPT:
                _clauses_of.popitem(last=False)
    return clauses


async def _above(
    session: AsyncSession, rows: Sequence[asyncpg.Record], clauses: Mapping[UUID, tuple[Terms, ...]]
) -> dict[Pair, tuple[int, int]]:
    """By pair the units (reserved, on their way back) by orders under a clause that reaches more than the minimum, where another one
    reaches only that. One statement, and none where no agreement is so."""
    pairs = [(r["agreement_id"], r["part_id"]) for r in rows if above_the_minimum(clauses[r["agreement_id"]])]
    if not pairs:
        return {}
    found = await fetch(session, _ABOVE, [a for a, _ in pairs], [p for _, p in pairs])
    return {(r["agreement_id"], r["part_id"]): (r["held"] or 0, r["back"] or 0) for r in found}


def _unpaid(r: asyncpg.Record, clauses: Sequence[Terms]) -> int:
    """Units that the holder has, that are to become its own and are the maker's until they are paid."""
    if title_of(clauses) is Title.SOLD:
        return 0
    return int(r["bought"] if kept_by(clauses) else r["kept"])


def _facts(
    r: asyncpg.Record,
    units: Standing,
    requested: int,
    urgency: Urgency,
    known: Circumstances | None,
    unpaid: int = 0,
    above: tuple[int, int] = (0, 0),
) -> Facts:
    # Units found beyond what was accepted are the holder's own: no schedule can reach more than it sold. What counts as taken
    # out is no unit of a schedule any more.
    remaining = max(min(units.remaining, r["quantity_sold"] - r["not_accepted"]) - r["bought"], 0)
    held = min(units.held, remaining)
    quality_held = min(units.quality_held, remaining - held)
    return Facts(
        schedule_date=r["schedule_date"],
        zone=r["zone"],
        sale_price=Money(r["sale_price"], r["currency"]),
        list_price=None if r["list_price"] is None else Money(r["list_price"], r["currency"]),
        quantity_sold=r["quantity_sold"],
        remaining=remaining,
        minimum_to_keep=r["minimum_to_keep"],
        held=held,
        quality_held=quality_held,
        not_accepted=r["not_accepted"],
        # Counted by the agreement once they are received; until then they are on their way.
        taken_back=(back := r["taken_back"] + units.back),
        taken_above=min(r["taken_above"] + above[1], back),
        held_above=min(above[0], held),
        exercises=r["exercises"],
        legal_hold=r["legal_hold"],
        suspended=r["status"] not in IN_FORCE and r["status"] not in OUT_OF_FORCE,
        out_of_force=OUT_OF_FORCE.get(r["status"], ""),
        tolled_days=r["tolled_days"],
        requested=requested,
        urgency=urgency,
        circumstances=replace(
            known,
            renewals=r["renewals"],
            frozen_days=r["frozen_days"],
            unpaid=unpaid,
            exported_on=r["exported_on"],
            suspension_ends_at=r["suspension_ends_at"],
            not_renewed=r["not_renewed"],
        )
        if known is not None
        else lengthened(
            r["renewals"],
            r["frozen_days"],
            unpaid,
            r["exported_on"],
            r["suspension_ends_at"],
            not_renewed=r["not_renewed"],
        ),
    )
