"""Reads of recalls. Row level security shows a hold to its maker and to the companies that it concerns; each of these sees its
own units and its own answer, and nothing of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one, fetch_value
from marketplace.kit.errors import missing
from marketplace.parties.actor import HIDDEN, Actor
from marketplace.recalls.scope import Answer, Progress, Reach, Scope, progress

_REACH = tuple(f.name for f in fields(Reach))


@dataclass(frozen=True, slots=True)
class RecallRow:
    """A hold as its reader sees it. ``lots`` that the reader may see, ``standing`` of them not lifted yet; ``holders``,
    ``answered``, ``seen`` (read, and still in time to answer), ``overdue``: of all companies to the maker, of its own alone to a holder. ``answer_by``, ``read_at``,
    ``answered_at``: the reader's own, where it is concerned; ``mine``: whether the reader's company put it in force."""

    id: UUID
    maker_id: UUID
    maker: str
    reference: str
    part_id: UUID
    number: str
    description: str
    uom: str
    kind: str
    batch: str | None
    serial_from: str | None
    serial_to: str | None
    serials: list[str] | None
    reason: str
    instruction: str
    document: str
    last_day: datetime
    put_at: datetime
    lots: int
    standing: int
    holders: int
    answered: int
    seen: int
    overdue: int
    ended_at: datetime | None
    concerned: bool
    answer_by: datetime | None
    read_at: datetime | None
    answered_at: datetime | None
    mine: bool

    @property
    def scope(self) -> Scope:
        """Which units."""
        return Scope(self.batch, self.serial_from, self.serial_to, tuple(self.serials) if self.serials else None)

    @property
    def stands(self) -> bool:
        """Whether it has not been lifted as a whole."""
        return self.ended_at is None

    @property
    def waits(self) -> bool:
        """Whether it waits for the reader's company to answer."""
        return self.concerned and self.answered_at is None and self.stands


_ROWS = """
SELECT r.id, r.maker_id, c.name AS maker, r.reference, r.part_id, p.number, p.description, p.uom, r.kind, r.batch, r.serial_from,
       r.serial_to, r.serials, r.reason, r.instruction, r.document, r.answer_by AS last_day, r.put_at, n.lots, n.standing,
       h.holders, h.answered, h.seen, h.overdue, e.lifted_at AS ended_at, o.holder_id IS NOT NULL AS concerned, o.answer_by, d.read_at,
       (SELECT max(a.answered_at) FROM recall_answer a WHERE a.recall_id = r.id AND a.holder_id = $1) AS answered_at,
       r.maker_id = $1 AS mine
FROM recall r JOIN company c ON c.id = r.maker_id JOIN part p ON p.id = r.part_id
LEFT JOIN recall_lift e ON e.recall_id = r.id AND e.whole
LEFT JOIN recall_holder o ON o.recall_id = r.id AND o.holder_id = $1
LEFT JOIN recall_read d ON d.recall_id = r.id AND d.holder_id = $1
CROSS JOIN LATERAL (
    SELECT count(*)::int AS lots, count(*) FILTER (WHERE y.lot_id IS NULL)::int AS standing
    FROM recall_lot x LEFT JOIN recall_lift_lot y ON y.recall_id = x.recall_id AND y.lot_id = x.lot_id
    WHERE x.recall_id = r.id) n
CROSS JOIN LATERAL (
    SELECT count(*)::int AS holders, count(*) FILTER (WHERE a.holder_id IS NOT NULL)::int AS answered,
           count(*) FILTER (WHERE a.holder_id IS NULL AND y.read_at IS NOT NULL AND x.answer_by > $2)::int AS seen,
           count(*) FILTER (WHERE a.holder_id IS NULL AND x.answer_by <= $2 AND e.id IS NULL)::int AS overdue
    FROM recall_holder x LEFT JOIN recall_read y ON y.recall_id = x.recall_id AND y.holder_id = x.holder_id LEFT JOIN (SELECT DISTINCT recall_id, holder_id FROM recall_answer) a
      ON a.recall_id = x.recall_id AND a.holder_id = x.holder_id
    WHERE x.recall_id = r.id) h
"""


async def recalls(
    session: AsyncSession,
    actor: Actor,
    now: datetime,
    *,
    standing: bool | None = None,
    waits: bool | None = None,
    after: UUID | None = None,
    limit: int = 51,
) -> Sequence[RecallRow]:
    """What the actor's company put in force, or is concerned by; newest first. ``waits``: for its own answer."""
    rows = await fetch(
        session,
        _ROWS + "WHERE ($3::bool IS NULL OR (e.id IS NULL) = $3) AND ($4::bool IS NULL OR $4 = (e.id IS NULL "
        "AND o.holder_id IS NOT NULL AND NOT EXISTS (SELECT FROM recall_answer a WHERE a.recall_id = r.id AND a.holder_id = $1))) "
        "AND ($5::uuid IS NULL OR r.id < $5) ORDER BY r.id DESC LIMIT $6",
        actor.company_id, now, standing, waits, after, limit,
    )  # fmt: skip
    return [RecallRow(**dict(r)) for r in rows]


async def waiting(session: AsyncSession, company_id: UUID) -> int:
    """How many holds wait for the company's answer."""
    found: int = await fetch_value(
        session,
        "SELECT count(*)::int FROM recall_holder h WHERE h.holder_id = $1 AND NOT EXISTS (SELECT FROM recall_lift e "
        "WHERE e.recall_id = h.recall_id AND e.whole) AND NOT EXISTS (SELECT FROM recall_answer a "
        "WHERE a.recall_id = h.recall_id AND a.holder_id = h.holder_id)",
        company_id,
    )
    return found


async def recall(session: AsyncSession, actor: Actor, recall_id: UUID, now: datetime) -> RecallRow:
    """One hold. Raises ``recall.not_found``."""
    row = await fetch_one(session, _ROWS + "WHERE r.id = $3", actor.company_id, now, recall_id)
    if row is None:
        raise missing("recall.not_found", "No such quality hold or recall.")
    return RecallRow(**dict(row))


async def recall_for_update(session: WriteSession, actor: Actor, recall_id: UUID, now: datetime) -> RecallRow:
    """As ``recall``; nobody else lifts it until this transaction ends. Its row may not be changed, so the lock is on its id."""
    await fetch(session, "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))", f"recall {recall_id}")
    return await recall(session, actor, recall_id, now)


async def preview(session: AsyncSession, part_id: UUID, scope: Scope) -> Sequence[Reach]:
    """What a hold would reach now, by holder; nothing to who does not make the part. One statement."""
    rows = await fetch(
        session, "SELECT * FROM recall_preview($1, $2, $3, $4, $5)", part_id, scope.batch, scope.serial_from, scope.serial_to,
        list(scope.serials) if scope.serials else None,
    )  # fmt: skip
    return [_reach(r) for r in rows]


def _reach(row: asyncpg.Record) -> Reach:
    return Reach(**{name: row[name] for name in _REACH})


@dataclass(frozen=True, slots=True)
class HolderRow:
    """A company that a hold concerns, what it has of the units, and what it said. ``holder``: its name, or how it is called
    where the reader is not told it; ``mark``: its place in the list, which does not tell either."""

    holder_id: UUID
    mark: str
    holder: str
    told: bool
    reach: Reach
    since: datetime
    answer_by: datetime
    told_at: datetime | None
    read_at: datetime | None
    answered_at: datetime | None
    asked: int | None
    answer: Answer | None
    more: int

    def progress(self, now: datetime) -> Progress:
        """How far it is."""
        return progress(
            answered_at=self.answered_at,
            read_at=self.read_at,
            answer_by=self.answer_by,
            asked=self.reach.asked,
            now=now,
        )


_HOLDERS = """
SELECT h.holder_id, m.mark, c.name, c.country, h.named, h.since, h.answer_by, t.told_at, d.read_at, a.answered_at, a.asked, a.found, a.set_aside,
       a.used_before, a.used_on, a.not_here, a.note, coalesce(g.lots, 0) AS lots, coalesce(g.units, 0) AS units,
       coalesce(g.sites, 0) AS sites, coalesce(g.reserved, 0) AS reserved, coalesce(g.under_way, 0) AS under_way,
       coalesce(g.installed, 0) AS installed, coalesce(g.used_up, 0) AS used_up
FROM recall_holder h JOIN company c ON c.id = h.holder_id
LEFT JOIN recall_progress($1) g ON g.holder_id = h.holder_id
LEFT JOIN recall_told t ON t.recall_id = h.recall_id AND t.holder_id = h.holder_id AND t.lift_id IS NULL
LEFT JOIN recall_read d ON d.recall_id = h.recall_id AND d.holder_id = h.holder_id
LEFT JOIN LATERAL (SELECT * FROM recall_answer x WHERE x.recall_id = h.recall_id AND x.holder_id = h.holder_id
                   ORDER BY x.id DESC LIMIT 1) a ON true
CROSS JOIN LATERAL (SELECT encode(sha256(convert_to($3 || h.holder_id::text, 'UTF8')), 'hex') AS mark) m
WHERE h.recall_id = $1
"""


async def holders(
    session: AsyncSession, actor: Actor, recall_id: UUID, *, secret: str, after: str | None = None, limit: int = 51
) -> Sequence[HolderRow]:
    """Whom a hold concerns and how far each is; of a company that is no maker itself alone. One statement, however many holders
    and units. In an order that depends on ``secret``: a bookmark can be read, and by an id it would name who is hidden."""
    rows = await fetch(
        session, _HOLDERS + " AND ($2::text IS NULL OR m.mark > $2) ORDER BY m.mark LIMIT $4", recall_id, after, secret, limit
    )  # fmt: skip
    return [_holder(dict(r), actor) for r in rows]


async def own_part(session: AsyncSession, actor: Actor, recall_id: UUID) -> HolderRow | None:
    """What a hold says of the actor's own company; None where it is not concerned."""
    row = await fetch_one(session, _HOLDERS + " AND h.holder_id = $2", recall_id, actor.company_id, "")
    return _holder(dict(row), actor) if row else None


def _holder(v: dict[str, Any], reader: Actor) -> HolderRow:
    reach = Reach(**{name: v[name] for name in _REACH})
    answer = None
    if v["answered_at"] is not None:
        answer = Answer(v["found"], v["set_aside"], v["used_before"], v["used_on"], v["not_here"], v["note"])
    # Who hides its holders hides them here too. A company that the maker has nothing to do with names itself by answering.
    told = v["holder_id"] == reader.company_id or (
        reader.company_id not in reader.masked and (v["named"] or answer is not None)
    )
    return HolderRow(
        v["holder_id"], v["mark"], v["name"] if told else f"{HIDDEN} in {v['country']}", told, reach, v["since"], v["answer_by"], v["told_at"],
        v["read_at"], v["answered_at"], v["asked"], answer, max(reach.asked - answer.told, 0) if answer else 0,
    )  # fmt: skip


async def answers_in_sum(session: AsyncSession, recall_id: UUID) -> Answer:
    """What holders said last, together, as far as the reader may see it."""
    row = await fetch_one(
        session,
        "SELECT coalesce(sum(found), 0)::bigint AS found, coalesce(sum(set_aside), 0)::bigint AS set_aside, "
        "coalesce(sum(used_before), 0)::bigint AS used_before, coalesce(sum(not_here), 0)::bigint AS not_here "
        "FROM (SELECT DISTINCT ON (holder_id) * FROM recall_answer WHERE recall_id = $1 ORDER BY holder_id, id DESC) a",
        recall_id,
    )
    assert row is not None  # noqa: S101 - a sum has one row
    return Answer(row["found"], row["set_aside"], row["used_before"], None, row["not_here"])


@dataclass(frozen=True, slots=True)
class StoppedUnit:
    """A lot that a hold reached and that the reader may see, once for each place where some of it is (``place`` numbers them; 0: it is
    nowhere any more). ``lifted``: what was said of it when it was let go."""

    lot_id: UUID
    place: int
    serial: str | None
    batch: str | None
    quantity: int
    holder: str
    site: str | None
    in_transit: bool
    at: datetime
    lifted: str | None


async def units(
    session: AsyncSession, actor: Actor, recall_id: UUID, *, after: tuple[UUID, int] | None = None, limit: int = 51
) -> Sequence[StoppedUnit]:
    """Lots of a hold by id and place, as far as the reader may see them; none to a person from whom the company hides its holders."""
    if actor.company_id in actor.masked:
        return []
    rows = await fetch(
        session,
        "SELECT x.lot_id, coalesce(q.position_id, 0) AS place, l.serial, l.batch, coalesce(q.quantity, 0) AS quantity, coalesce(c.name, '') AS holder, s.name AS site, "
        "q.lot_id IS NOT NULL AND q.site_id IS NULL AS in_transit, x.at, w.disposition AS lifted FROM recall_lot x "
        "JOIN lot l ON l.lot_id = x.lot_id LEFT JOIN recall_lift_lot y ON y.recall_id = x.recall_id AND y.lot_id = x.lot_id "
        "LEFT JOIN recall_lift w ON w.id = y.lift_id LEFT JOIN position q ON q.lot_id = x.lot_id AND q.quantity > 0 "
        "LEFT JOIN company c ON c.id = q.holder_id LEFT JOIN site s ON s.id = q.site_id "
        "WHERE x.recall_id = $1 AND ($2::uuid IS NULL OR (x.lot_id, coalesce(q.position_id, 0)) > ($2, $3)) "
        "ORDER BY x.lot_id, coalesce(q.position_id, 0) LIMIT $4",
        recall_id, *(after or (None, None)), limit,
    )  # fmt: skip
    return [StoppedUnit(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class LiftRow:
    """An end of a hold, of all units or some."""

    id: UUID
    batch: str | None
    serial_from: str | None
    serial_to: str | None
    serials: list[str] | None
    whole: bool
    disposition: str
    reason: str
    lifted_at: datetime
    lots: int

    @property
    def scope(self) -> Scope:
        """Which units."""
        return Scope(self.batch, self.serial_from, self.serial_to, tuple(self.serials) if self.serials else None)


async def lifts(session: AsyncSession, recall_id: UUID, limit: int = 100) -> Sequence[LiftRow]:
    """The ends of a hold, newest first, at most ``limit``."""
    rows = await fetch(
        session,
        "SELECT w.id, w.batch, w.serial_from, w.serial_to, w.serials, w.whole, w.disposition, w.reason, w.lifted_at, "
        "(SELECT count(*)::int FROM recall_lift_lot y WHERE y.lift_id = w.id) AS lots FROM recall_lift w "
        "WHERE w.recall_id = $1 ORDER BY w.id DESC LIMIT $2",
        recall_id,
        limit,
    )
    return [LiftRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class ToTell:
    """A company that is to be told of a hold, or of an end of it (``lift_id``), and the mail addresses of its people."""

    recall_id: UUID
    holder_id: UUID
    maker_id: UUID
    maker: str
    reference: str
    kind: str
    number: str
    reason: str
    instruction: str
    answer_by: datetime
    lift_id: UUID | None
    disposition: str | None
    lift_reason: str | None
    scope: Scope
    to: list[str]


# An end is told to who was told of the hold, or would be otherwise: to all that it concerns.
_TO_TELL = """
WITH due AS (
    SELECT h.recall_id, h.holder_id, h.maker_id, h.answer_by, NULL::uuid AS lift_id FROM recall_holder h
    WHERE NOT EXISTS (SELECT FROM recall_told t WHERE t.recall_id = h.recall_id AND t.holder_id = h.holder_id AND t.lift_id IS NULL)
    UNION ALL
    SELECT h.recall_id, h.holder_id, h.maker_id, h.answer_by, w.id FROM recall_lift w JOIN recall_holder h ON h.recall_id = w.recall_id
    WHERE h.since <= w.lifted_at
      AND NOT EXISTS (SELECT FROM recall_told t WHERE t.recall_id = h.recall_id AND t.holder_id = h.holder_id AND t.lift_id = w.id)
    ORDER BY 1, 2, 5 LIMIT $1
), noted AS (
    INSERT INTO recall_told (recall_id, holder_id, maker_id, lift_id, told_at) SELECT recall_id, holder_id, maker_id, lift_id, $2 FROM due
    ON CONFLICT DO NOTHING RETURNING recall_id, holder_id, lift_id
)
SELECT d.recall_id, d.holder_id, d.maker_id, c.name AS maker, r.reference, r.kind, p.number, r.reason, r.instruction, d.answer_by,
       d.lift_id, w.disposition, w.reason AS lift_reason, coalesce(w.batch, r.batch) AS batch,
       coalesce(w.serial_from, r.serial_from) AS serial_from, coalesce(w.serial_to, r.serial_to) AS serial_to,
       coalesce(w.serials, r.serials) AS serials,
       (SELECT coalesce(array_agg(u.email ORDER BY u.email), '{}') FROM user_account u
        WHERE u.company_id = d.holder_id AND u.active AND u.roles && $3::text[]) AS to
FROM due d JOIN noted n ON n.recall_id = d.recall_id AND n.holder_id = d.holder_id AND n.lift_id IS NOT DISTINCT FROM d.lift_id
JOIN recall r ON r.id = d.recall_id JOIN company c ON c.id = r.maker_id JOIN part p ON p.id = r.part_id
LEFT JOIN recall_lift w ON w.id = d.lift_id
"""


async def untold_noted(session: WriteSession, roles: Sequence[str], now: datetime, limit: int) -> Sequence[ToTell]:
    """Writes down that these companies are told now, and answers them with what they are told (worker): whoever comes second
    finds it written. One statement."""
    found = []
    for r in await fetch(session, _TO_TELL, limit, now, list(roles)):
        v = dict(r)
        serials = v.pop("serials")
        scope = Scope(v.pop("batch"), v.pop("serial_from"), v.pop("serial_to"), tuple(serials) if serials else None)
        found.append(ToTell(**v, scope=scope))
    return found
