"""What is due, by when it is due: lists, counts by day. Only kinds that the reader's role may see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements import queries as agreements
from marketplace.db.session import fetch
from marketplace.kit.clock import local_day
from marketplace.kit.pages import Page, cut, read_bookmark
from marketplace.obligations.kinds import KINDS, WINDOWS, Obligation, ObligationKind
from marketplace.obligations.queries.branches import PARAMETERS, PIECES
from marketplace.obligations.queries.notices_left import OF_NOTICES, as_left
from marketplace.parties.actor import Actor

FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
FAR: Final = datetime(9000, 1, 1, tzinfo=UTC)
_NIL: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class ObligationFilter:
    """Which ones; None = any. ``side``: mine (the reader's company owes it) or theirs. ``due_after`` (exclusive) and
    ``due_until`` bound the deadline. ``but_mine``: kinds left out of what is mine, since the reader finds them elsewhere."""

    side: str | None = None
    kinds: frozenset[ObligationKind] | None = None
    overdue: bool = False
    agreement_id: UUID | None = None
    due_after: datetime | None = None
    due_until: datetime | None = None
    but_mine: frozenset[ObligationKind] = frozenset()

    def bounds(self, now: datetime) -> tuple[datetime, datetime]:
        """From and until when."""
        until = min(self.due_until or FAR, FAR)
        return max(self.due_after or FIRST, FIRST), min(until, now) if self.overdue else until


def _pieces(
    actor: Actor, wanted: ObligationFilter, more: Callable[[ObligationKind, str, str], tuple[str, str]]
) -> list[str]:
    """The pieces of the statement that can hold something for this reader. ``more``: from kind, due and key to a further
    condition and what follows it."""
    found: list[str] = []
    if wanted.agreement_id is not None and not actor.may("agreement.read"):
        return found
    for piece in PIECES:
        if not actor.may(KINDS[piece.kind].verb) or (wanted.kinds is not None and piece.kind not in wanted.kinds):
            continue
        if wanted.overdue and piece.kind in WINDOWS:
            continue
        for side, _ in piece.sides:
            if side == "all" or (wanted.side is not None and side != wanted.side):
                continue
            if side == "mine" and piece.kind in wanted.but_mine:
                continue
            condition, tail = more(piece.kind, piece.due, piece.key)
            found.append(
                "(" + piece.sql(side, of_agreement=wanted.agreement_id is not None, more=condition, tail=tail) + ")"
            )
    return found


def _given(actor: Actor, wanted: ObligationFilter, now: datetime) -> tuple[Any, ...]:
    return (actor.company_id, now, *wanted.bounds(now), wanted.agreement_id)


NAMED: Final = """
SELECT x.*, e.name AS owes_name, d.name AS owed_name, a.reference AS agreement, coalesce(x.zone, a.zone, 'UTC') AS told_zone,
       a.maker_id AS agreement_maker, a.holder_id AS agreement_holder, p.number, p.description, p.uom
FROM x LEFT JOIN company e ON e.id = x.owes LEFT JOIN company d ON d.id = x.owed
LEFT JOIN agreement a ON a.id = x.agreement_id LEFT JOIN part p ON p.id = x.part_id
"""


def told(row: Any, company_id: UUID, *, agreements: bool) -> Obligation:
    """A row as its reader may see it: no agreement to whom agreements are closed."""
    return Obligation(
        kind=ObligationKind(row["kind"]), subject_id=row["key"], mine=row["owes"] == company_id, due=row["due"],
        started=row["started"], zone=row["told_zone"], owes_id=row["owes"], owes=row["owes_name"], owed_id=row["owed"],
        owed=row["owed_name"], record_id=row["record_id"], reference=row["reference"],
        agreement_id=row["agreement_id"] if agreements else None, agreement=row["agreement"] if agreements else None,
        part_number=row["number"], description=row["description"], uom=row["uom"], quantity=row["quantity"],
        amount=row["amount"], currency=row["currency"], detail=row["detail"], urgency=row["urgency"],
    )  # fmt: skip


def _told(row: Any, actor: Actor) -> Obligation:
    # An agreement is its two sides' own: who sources for the maker, and may see the row, is told of none.
    party = actor.company_id in (row["agreement_maker"], row["agreement_holder"])
    return told(row, actor.company_id, agreements=party and actor.may("agreement.read"))


async def obligations(
    session: AsyncSession,
    actor: Actor,
    wanted: ObligationFilter,
    now: datetime,
    *,
    after: str | None = None,
    limit: int = 50,
    secret: str,
) -> Page[Obligation]:
    """What the actor's company owes and is owed to be done, what is due first before the rest, by keyset; of notices
    the units that are left of each, and of those of which none is nothing: a page may be shorter for it. Raises ``page.bookmark``."""
    key = read_bookmark(after, secret, datetime.fromisoformat, lambda text: ObligationKind(text).value, UUID)
    rows = await _rows(session, actor, wanted, now, key or [FIRST, "", _NIL], limit + 1)
    page = cut(rows, limit, lambda r: [r.due.isoformat(), r.kind.value, r.subject_id], secret)
    return Page(await as_left(session, page.items, now), page.next)


async def coming(
    session: AsyncSession, actor: Actor, wanted: ObligationFilter, now: datetime, limit: int
) -> Sequence[Obligation]:
    """The first ``limit`` of them, without notices of which nothing is left."""
    return await as_left(session, await _rows(session, actor, wanted, now, [FIRST, "", _NIL], limit), now)


async def _rows(
    session: AsyncSession, actor: Actor, wanted: ObligationFilter, now: datetime, key: Sequence[Any], limit: int
) -> list[Obligation]:
    def more(kind: ObligationKind, due: str, subject: str) -> tuple[str, str]:
        # Each piece brings as many as are wanted altogether, in order, so that none reads on to its end.
        return (
            f"{due} >= $6::timestamptz AND ({due}, '{kind.value}' COLLATE \"C\", {subject}) > ($6, $7::text, $8::uuid)",
            f"ORDER BY {due}, {subject} LIMIT $9",
        )

    pieces = _pieces(actor, wanted, more)
    if not pieces:
        return []
    rows = await fetch(
        session,
        f"WITH {PARAMETERS}, x AS (SELECT * FROM ({' UNION ALL '.join(pieces)}) u ORDER BY due, kind, key LIMIT $9) "
        f"{NAMED} ORDER BY x.due, x.kind, x.key",
        *_given(actor, wanted, now), *key, limit,
    )  # fmt: skip
    return [_told(r, actor) for r in rows]


@dataclass(frozen=True, slots=True)
class DayCount:
    """How much is due on a day: ``mine`` to do, ``theirs``, and ``windows`` that open or close."""

    day: date
    mine: int
    theirs: int
    windows: int


async def by_day(
    session: AsyncSession, actor: Actor, wanted: ObligationFilter, now: datetime, zone: str
) -> Sequence[DayCount]:
    """Counts by the day in a time zone on which something is due, without notices of which nothing is left. Bound it by
    ``due_after`` and ``due_until``."""
    pieces = _pieces(actor, wanted, lambda _kind, _due, _subject: ("", ""))
    if not pieces:
        return []
    rows = await fetch(
        session,
        f"""
        WITH {PARAMETERS}
        SELECT day, count(*) FILTER (WHERE NOT window_day AND mine)::int AS mine,
               count(*) FILTER (WHERE NOT window_day AND NOT mine)::int AS theirs,
               count(*) FILTER (WHERE window_day)::int AS windows
        FROM (SELECT (CASE WHEN kind = 'window_opens' THEN due ELSE due - interval '1 microsecond' END
                      AT TIME ZONE $6::text)::date AS day,
                     kind IN ('window_opens', 'window_closes') AS window_day, owes IS NOT DISTINCT FROM $1 AS mine
              FROM ({" UNION ALL ".join(pieces)}) u) d
        GROUP BY day ORDER BY day
        """,
        *_given(actor, wanted, now), zone,
    )  # fmt: skip
    counts = {r["day"]: DayCount(**dict(r)) for r in rows}
    for day, mine in await _gone(session, actor, wanted, now, zone):
        c = counts[day]
        counts[day] = replace(c, mine=c.mine - mine, theirs=c.theirs - (not mine))
    return [c for c in counts.values() if c.mine or c.theirs or c.windows]


async def _gone(
    session: AsyncSession, actor: Actor, wanted: ObligationFilter, now: datetime, zone: str
) -> Sequence[tuple[date, bool]]:
    """(day, whether it is the reader's own) of notices in the picture of which nothing is left."""
    kinds = OF_NOTICES if wanted.kinds is None else OF_NOTICES & wanted.kinds
    pieces = _pieces(actor, replace(wanted, kinds=kinds), lambda _kind, _due, _subject: ("", ""))
    if not pieces:
        return []
    rows = await fetch(
        session,
        f"WITH {PARAMETERS} SELECT key, due, owes FROM ({' UNION ALL '.join(pieces)}) u",
        *_given(actor, wanted, now),
    )
    left = await agreements.left_of_notices(session, {r["key"] for r in rows}, now) if rows else {}
    return [
        (local_day(r["due"] - timedelta(microseconds=1), zone), r["owes"] == actor.company_id)
        for r in rows
        if left.get(r["key"], 0) <= 0
    ]
