"""What is kept with a schedule when it is made: the findings of the law, and the classification for the maker's books."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from marketplace.agreements import queries
from marketplace.agreements.books import Booked, Sold, book_line
from marketplace.agreements.law import Finding, Jurisdiction, check_clauses, refuse_blocked
from marketplace.agreements.paper import ScheduleLine
from marketplace.agreements.terms import Terms
from marketplace.db.session import WriteSession, acting_for, execute
from marketplace.parties.queries import Assumptions, CompanyRow, assumptions


def allowed(
    clauses: Sequence[Terms],
    maker: CompanyRow,
    holder: CompanyRow,
    units_at: Jurisdiction | None,
    on: date,
    kept_at: Sequence[Jurisdiction] = (),
) -> tuple[Finding, ...]:
    """What the law of the day ``on`` says about a schedule under these clauses between two companies, the units going to ``units_at``,
    or kept at these places since. Raises ``law.blocked``."""
    places = list(dict.fromkeys((*queries.places_of(holder.country, units_at), *kept_at)))
    findings = check_clauses(queries.rules(), clauses, Jurisdiction(maker.country), places, every_holder=True, on=on)
    refuse_blocked(findings)
    return findings


async def still_allowed(session: WriteSession, agreement_id: UUID, on: date) -> None:
    """As ``allowed``, for an offer that is about to be signed: the limits may have changed since. Raises
    ``law.blocked``."""
    refuse_blocked(await queries.law_of_agreement(session, agreement_id, on))


async def keep_books(
    session: WriteSession,
    agreement_id: UUID,
    maker_id: UUID,
    clauses: Sequence[Terms],
    part_ids: Sequence[UUID],
    schedule: Sequence[ScheduleLine],
    schedule_date: date,
    now: datetime,
) -> None:
    """Classifies each class of units of each line with the maker's discount rate of today, and keeps it with the tests
    asked. On behalf of the maker: nobody else may read or write it. Two statements, however many lines."""
    if session.tenant.company != maker_id:
        async with acting_for(session, maker_id):
            await keep_books(session, agreement_id, maker_id, clauses, part_ids, schedule, schedule_date, now)
        return
    known = await assumptions(session, maker_id)
    # A price that changes monthly has hundreds of dates a line: nobody else waits for them.
    rows = await asyncio.to_thread(_classified, clauses, part_ids, schedule, schedule_date, known)
    await execute(
        session,
        "INSERT INTO agreement_classification (agreement_id, part_id, unit_class, maker_id, units, kind, needs_rate, "
        "trace, rate_bp, at) SELECT $1, x.part_id, x.unit_class, $2, x.units, x.kind, x.needs_rate, x.trace::jsonb, $3, $4 "
        "FROM unnest($5::uuid[], $6::text[], $7::int[], $8::text[], $9::bool[], $10::text[]) "
        "AS x (part_id, unit_class, units, kind, needs_rate, trace)",
        agreement_id, maker_id, known.rate_bp, now, [part_id for part_id, _, _ in rows], [b.unit_class.value for _, b, _ in rows],
        [b.units for _, b, _ in rows], [b.kind.value for _, b, _ in rows],
        [b.classification.needs_rate for _, b, _ in rows], [trace for _, _, trace in rows],
    )  # fmt: skip


def _classified(
    clauses: Sequence[Terms],
    part_ids: Sequence[UUID],
    schedule: Sequence[ScheduleLine],
    schedule_date: date,
    known: Assumptions,
) -> list[tuple[UUID, Booked, str]]:
    """(part, how units of it are booked, the tests asked as JSON text)."""
    rows: list[tuple[UUID, Booked, str]] = []
    for part_id, line in zip(part_ids, schedule, strict=True):
        sold = Sold(line.quantity, line.sale_price, line.minimum_to_keep)
        for booked in book_line(
            clauses[0], sold, schedule_date, known.rate_bp, clauses[1:], market_bp=known.market_bp
        ).classes:
            trace = [step.plain() for step in booked.classification.trace]
            rows.append((part_id, booked, json.dumps(trace, ensure_ascii=False)))
    return rows
