"""Keeping the ends of agreements: when the right ends, by when a renewal is decided, how long duties go on after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from marketplace.agreements import queries
from marketplace.agreements.clauses.title_kept import ends_of
from marketplace.agreements.deadlines import window
from marketplace.agreements.holds import added_days, of_this_time
from marketplace.agreements.renewal import end_of_term
from marketplace.agreements.stops import Span, moved_by
from marketplace.agreements.storage import storage_due
from marketplace.agreements.terms import TermsV2
from marketplace.agreements.title import kept_by
from marketplace.db.session import WriteSession, execute
from marketplace.kit.clock import end_of_day

_NONE: Final[Mapping[UUID, Span]] = MappingProxyType({})


async def store_terms(session: WriteSession, ids: Sequence[UUID], *, stood_still: Mapping[UUID, Span] = _NONE) -> None:
    """Stores the ends of these agreements anew, from their terms and what lengthens their windows; as many statements for
    thousands as for one. ``stood_still``: from when until when, where nobody could decide meanwhile; the deadline for a renewal moves by
    at least that, and never beyond the window."""
    before = await queries.decide_bys(session, list(stood_still)) if stood_still else {}
    covered = await queries.terms_and_facts(session, await queries.one_line_each(session, ids))
    feed = [i for (i, _), c in covered.items() if any(t.generation == 2 and t.storage_fee_bp for t in c.clauses)]
    settled = await queries.storage_settled(session, feed) if feed else {}
    rows: list[
        tuple[UUID, datetime, datetime | None, datetime | None, datetime | None, datetime | None, datetime | None]
    ] = []
    for (agreement_id, _), known in covered.items():
        closes = window(known.terms, known.facts).closes
        decide: datetime | None = None
        survives: datetime | None = None
        if isinstance(known.terms, TermsV2):
            end = end_of_term(known.terms, known.facts)
            survives, decide = end_of_day(end.survives_until, known.facts.zone), end.decide_by
            if decide is not None and agreement_id in before:
                moved = moved_by(before[agreement_id], [stood_still[agreement_id]], known.facts.zone)
                decide = min(max(decide, moved), closes)
        stored = storage_due(known.clauses, known.facts, closes, settled.get(agreement_id, 0))
        kept = kept_by(known.clauses)
        counts, back = ends_of(kept, known.facts) if kept else (None, None)
        rows.append((agreement_id, closes, decide, survives, stored, counts, back))
    await execute(
        session,
        "UPDATE agreement a SET window_closes_at = n.closes, decide_by = n.decide, survives_until = n.survives, "
        "storage_due_at = n.stored, counts_out_at = n.counts, return_by = n.back FROM unnest($1::uuid[], $2::timestamptz[], "
        "$3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[]) "
        "AS n (id, closes, decide, survives, stored, counts, back) WHERE a.id = n.id",
        *([r[n] for r in rows] for n in range(7)),
    )  # fmt: skip


async def settle_storage_year(session: WriteSession, agreement_id: UUID) -> None:
    """A year of storage is settled; the next one is due when it ends. The agreement is locked."""
    await execute(session, "UPDATE agreement SET storage_years = storage_years + 1 WHERE id = $1", agreement_id)
    await store_terms(session, [agreement_id])


async def go_on(session: WriteSession, ids: Sequence[UUID], now: datetime) -> None:
    """Agreements whose last legal hold is being lifted: the days of holds are added to the window where they were set so, those
    of an insolvency counted by themselves, and a deadline for a renewal moves by the time that nobody could decide in. Before
    the hold is taken off and the event of it is written."""
    if not ids:
        return
    events = await queries.stops_of(session, ids)
    adding = await queries.adding_days(session, ids)
    holds = await queries.hold_events(session, list(adding))
    days = {
        i: added_days(
            of_this_time(holds.get(i, ())), events.get(i, ()), now, a.zone, by_hand=a.by_hand, by_record=a.by_record
        )
        for i, a in adding.items()
    }
    await execute(
        session,
        "UPDATE agreement a SET tolled_days = tolled_days + n.by_hand, frozen_days = frozen_days + n.by_record "
        "FROM unnest($1::uuid[], $2::int[], $3::int[]) AS n (id, by_hand, by_record) WHERE a.id = n.id",
        list(days), [d.by_hand for d in days.values()], [d.by_record for d in days.values()],
    )  # fmt: skip
    still = {
        i: (max(at for kind, at in events[i] if kind == "legal_hold"), now)
        for i in ids
        if i in events and i not in adding
    }
    await store_terms(session, ids, stood_still=still)


async def let_duties_end(session: WriteSession, agreement_id: UUID, now: datetime) -> None:
    """Of an agreement that ends ``now``, before its window: its duties outlive this end, not the window's. One of the first library
    states none. The agreement is locked."""
    await execute(
        session,
        "UPDATE agreement SET survives_until = (((($2::timestamptz AT TIME ZONE zone)::date "
        "+ make_interval(months => (terms ->> 'survival_months')::int))::date + 1)::timestamp AT TIME ZONE zone) "
        "WHERE id = $1 AND survives_until IS NOT NULL",
        agreement_id,
        now,
    )
