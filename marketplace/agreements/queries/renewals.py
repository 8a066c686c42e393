"""How agreements go on after their window: what is stored for the clock, and what is due by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements import phrases
from marketplace.agreements.queries.facts import Pair, terms_and_facts
from marketplace.agreements.queries.standing import SECOND
from marketplace.agreements.renewal import EndOfTerm, end_of_term
from marketplace.agreements.term_kinds import Renewal
from marketplace.agreements.terms import TermsV2
from marketplace.db.session import fetch, fetch_one
from marketplace.kit.clock import add_months, local_day
from marketplace.kit.errors import conflict

AUTOMATIC = "terms ->> 'renewal' = 'automatic'"
_OVER = frozenset({"terminated", "superseded"})
LIVE = "status IN ('active', 'renewed', 'expiring')"


@dataclass(frozen=True, slots=True)
class TermRow:
    """What is stored of an agreement's term. ``renewal``: 'none', 'by_agreement', 'automatic', or None under terms of the first
    library; ``decide_by``: None where there can be no renewal (any more)."""

    renewal: str | None
    renewals: int
    window_closes_at: datetime
    decide_by: datetime | None
    survives_until: datetime | None
    non_renewal_at: datetime | None
    non_renewal_by: UUID | None
    status: str
    over_at: datetime | None
    """When it ended before its window did, or gave way to another agreement."""

    @property
    def goes_on(self) -> bool:
        """Whether it renews by itself, so that its window is no end."""
        return self.renewal == Renewal.AUTOMATIC and self.decide_by is not None and self.non_renewal_at is None


async def term_of(session: AsyncSession, agreement_id: UUID) -> TermRow:
    """The stored term; to decide by, asked under the agreement's lock."""
    row = await fetch_one(
        session,
        "SELECT terms ->> 'renewal' AS renewal, renewals, window_closes_at, decide_by, survives_until, non_renewal_at, "
        "non_renewal_by, status, (SELECT max(e.at) FROM agreement_event e WHERE e.subject_id = a.id AND e.kind IN "
        "('terminated', 'ended_for_breach', 'superseded')) AS over_at FROM agreement a WHERE id = $1",
        agreement_id,
    )
    assert row is not None  # noqa: S101 - the caller has locked it
    return TermRow(**dict(row))


async def end_of(session: AsyncSession, agreement_id: UUID, over_on: date | None = None) -> EndOfTerm:
    """How an agreement under terms of the second library ends or goes on, in words too. ``over_on``: it ended on that day before its
    window did, and its duties outlive that end. Raises ``renewal.none``."""
    covered = await terms_and_facts(session, await one_line_each(session, [agreement_id]))
    for known in covered.values():
        if isinstance(known.terms, TermsV2):
            end = end_of_term(known.terms, known.facts)
            if over_on is None:
                return end
            return end._replace(survives_until=add_months(over_on, known.terms.survival_months))
    raise conflict("renewal.none", "The terms of this agreement state nothing about renewal.")


@dataclass(frozen=True, slots=True)
class Term:
    """How an agreement ends or goes on: what is stored, the last day of the right, and, under terms of the second library,
    what they say of the time after it."""

    stored: TermRow
    last_day: date
    end: EndOfTerm | None
    over_on: date | None = None

    @property
    def words(self) -> str:
        """In a sentence or two."""
        if self.over_on is not None:
            if self.stored.status == "superseded":
                return f"It was replaced on {phrases.day(self.over_on)} by another agreement, which says how that one goes on."
            lasts = ""
            if self.end:
                last = phrases.day(self.end.survives_until)
                lasts = f" Duties to report and to count for what happened before go on until {last}; what is owed stays owed until it is paid."
            return f"It ended on {phrases.day(self.over_on)}, before its window did: nothing can be ordered under it.{lasts}"
        if self.stored.non_renewal_at is not None:
            return f"Notice was given: the right ends on {phrases.day(self.last_day)}, and is not renewed."
        if self.end is None:
            return f"The right ends on {phrases.day(self.last_day)}. There is no renewal."
        if self.end.decide_by is not None and self.stored.decide_by is None:
            return f"The right ends on {phrases.day(self.last_day)}: the law does not allow its renewal."
        return self.end.words


async def term(session: AsyncSession, agreement_id: UUID, zone: str) -> Term:
    """How one agreement that the reader may see ends or goes on."""
    stored = await term_of(session, agreement_id)
    last = local_day(stored.window_closes_at - timedelta(microseconds=1), zone)
    over = local_day(stored.over_at, zone) if stored.over_at and stored.status in _OVER else None
    end = await end_of(session, agreement_id, over) if stored.survives_until is not None else None
    return Term(stored, last, end, over)


async def one_line_each(session: AsyncSession, ids: Sequence[UUID]) -> list[Pair]:
    """One line of each of these agreements: windows hang on the schedule, so any will do."""
    rows = await fetch(
        session,
        "SELECT DISTINCT ON (agreement_id) agreement_id, part_id FROM agreement_line WHERE agreement_id = ANY($1::uuid[]) "
        "ORDER BY agreement_id, part_id",
        list(ids),
    )
    return [(r["agreement_id"], r["part_id"]) for r in rows]


async def signed_lines(session: AsyncSession, agreement_id: UUID) -> tuple[datetime | None, list[Pair]]:
    """When both sides had signed an agreement (None: not yet), and each part that it covers."""
    rows = await fetch(
        session,
        "SELECT CASE WHEN a.maker_signed_at IS NOT NULL AND a.holder_signed_at IS NOT NULL "
        "THEN greatest(a.maker_signed_at, a.holder_signed_at) END AS at, l.part_id "
        "FROM agreement a JOIN agreement_line l ON l.agreement_id = a.id WHERE a.id = $1 ORDER BY l.part_id",
        agreement_id,
    )
    return (rows[0]["at"] if rows else None), [(agreement_id, r["part_id"]) for r in rows]


async def decide_bys(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """The stored deadlines of those that can be renewed."""
    rows = await fetch(
        session, "SELECT id, decide_by FROM agreement WHERE id = ANY($1::uuid[]) AND decide_by IS NOT NULL", list(ids)
    )
    return {r["id"]: r["decide_by"] for r in rows}


class Adding(NamedTuple):
    """An agreement under legal hold whose days lengthen its window: those of holds set by hand, or those of an insolvency."""

    zone: str
    by_hand: bool
    by_record: bool


async def adding_days(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, Adding]:
    """Of these agreements those whose window a legal hold that they are under lengthens."""
    rows = await fetch(
        session,
        f"SELECT a.id, a.zone, {SECOND} AS by_hand, coalesce(a.terms ->> 'insolvency' = 'freeze_and_add', false) AS by_record "
        "FROM agreement a WHERE a.id = ANY($1::uuid[]) AND a.hold_adds_days",
        list(ids),
    )
    return {r["id"]: Adding(r["zone"], r["by_hand"], r["by_record"]) for r in rows}


async def renewals_due(session: AsyncSession, now: datetime, *, limit: int = 500) -> Sequence[UUID]:
    """Agreements that renew by themselves, whose deadline for a notice has passed without one and that do not stand still."""
    rows = await fetch(
        session,
        f"SELECT id FROM agreement WHERE {LIVE} AND decide_by IS NOT NULL AND non_renewal_at IS NULL AND decide_by <= $1 "
        f"AND {AUTOMATIC} AND NOT legal_hold ORDER BY decide_by, id LIMIT $2",
        now,
        limit,
    )
    return [r["id"] for r in rows]
