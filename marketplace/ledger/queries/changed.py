"""What changed between two views of the past: another day, or the same day as it was known later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch
from marketplace.ledger.queries.past import (
    DELTA,
    PLACE,
    STANDING,
    TOUCHES,
    Arguments,
    AsOf,
    PartPlace,
    PlaceKey,
    Scope,
    by_place,
    happened,
    lines,
    named,
    narrowed,
    told_place,
)
from marketplace.ledger.queries.units import MOVED, MOVED_FROM, HistoryRow, told_movement
from marketplace.parties.actor import Actor


@dataclass(frozen=True, slots=True)
class Flow:
    """How many units came and went, and as what. A correction counts against what it takes back, so a number can be
    negative: what was believed before is believed no more."""

    before: int
    came: int
    registered: int
    found: int
    removed: int
    left: int
    used: int
    fitted: int
    scrapped: int
    lost: int
    counted: int
    """More (or fewer, if negative) after a count."""
    after: int

    @property
    def adds_up(self) -> bool:
        """Whether what came and went explains the difference."""
        more = self.came + self.registered + self.found + self.removed + self.counted
        fewer = self.left + self.used + self.fitted + self.scrapped + self.lost
        return self.before + more - fewer == self.after


@dataclass(frozen=True, slots=True)
class PlaceChange(PartPlace):
    """How many units of a part were at one place before and after, and why."""

    flow: Flow


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A stock transaction that only one of the two views has. ``counts``: 1 where only the later one has it, -1 where only
    the earlier one has."""

    movement: HistoryRow
    part_id: UUID
    part_number: str
    serial: str | None
    uom: str
    counts: int

    @property
    def key(self) -> tuple[datetime, UUID, int]:
        """Where it stands in the list."""
        return self.movement.occurred_at, self.movement.lot_id, self.movement.seq


# A correction is counted as what it corrects, the other way round.
_SINGLE: Final = {
    "registered": ("'register'", 1), "found": ("'find'", 1), "removed": ("'remove'", 1), "used": ("'use_up'", -1),
    "fitted": ("'install'", -1), "scrapped": ("'scrap'", -1), "lost": ("'lose'", -1), "counted": ("'count_adjust'", 1),
}  # fmt: skip
_BETWEEN: Final = "'move', 'ship', 'receive', 'title', 'repair', 'regrade', 'repoint'"


def _each(since: AsOf, until: AsOf, given: Arguments) -> str:
    """Of the line ``w``: how many before and after, and each way in and out, from the transactions that one of the two
    views has."""
    before, after = happened(since, given), happened(until, given)
    ways = [
        f"sum({sign} * m.counts * m.delta) FILTER (WHERE m.effect = {kind}) AS {way}"
        for way, (kind, sign) in _SINGLE.items()
    ]
    return f"""
        SELECT sum(m.delta) FILTER (WHERE m.was) AS before, sum(m.delta) FILTER (WHERE m.is_now) AS after,
               sum(m.counts * m.delta) FILTER (WHERE m.effect IN ({_BETWEEN}) AND m.arrives) AS came,
               sum(-m.counts * m.delta) FILTER (WHERE m.effect IN ({_BETWEEN}) AND NOT m.arrives) AS left,
               sum(m.counts * m.delta) FILTER (WHERE m.effect = 'split') AS split, {", ".join(ways)},
               bool_or(m.counts <> 0) AS touched
        FROM (
            SELECT {DELTA} AS delta, {before} AS was, {after} AS is_now, ({after})::int - ({before})::int AS counts,
                   coalesce(c.purpose, c.kind, m.purpose, m.kind) AS effect,
                   (m.to_position = w.position_id) IS TRUE <> (m.kind = 'correct') AS arrives
            FROM movement m LEFT JOIN movement c ON m.kind = 'correct' AND c.lot_id = m.lot_id AND c.seq = m.corrects
            WHERE {TOUCHES}
        ) m
    """


_SPLIT: Final = {"came": "greatest(sum(e.split), 0)", "left": "greatest(-sum(e.split), 0)"}
"""Within a place a split changes nothing; where only one of its two halves is there, the units came or left."""


def _flow() -> str:
    """The columns of a ``Flow`` over several lines ``e``."""
    return ", ".join(
        f"(coalesce(sum(e.{f.name}), 0) + coalesce({_SPLIT.get(f.name, '0')}, 0))::int AS {f.name}"
        for f in fields(Flow)
    )


def _parts_changed(since: AsOf, until: AsOf, given: Arguments) -> str:
    """The parts that anything happened to, whatever it was: where all of the ledger is asked, only these are read."""
    return (
        "pt.id IN (SELECT l.part_id FROM movement m JOIN lot l ON l.lot_id = m.lot_id "
        f"WHERE {_between(since, until, given)})"
    )


def _between(since: AsOf, until: AsOf, given: Arguments) -> str:
    """Whether only one of the two views can have a transaction: it happened, or became known, between them."""
    ranges = (("occurred_at", since.at, until.at), ("recorded_at", since.known_at, until.known_at))
    return "(" + " OR ".join(
        f"(m.{column} > {given.put(min(ends))} AND m.{column} <= {given.put(max(ends))})" for column, *ends in ranges
    ) + ")"  # fmt: skip


async def differences(
    session: AsyncSession,
    reader: Actor,
    since: AsOf,
    until: AsOf,
    scope: Scope,
    *,
    limit: int = 50,
    after: PlaceKey | None = None,
) -> Sequence[PlaceChange]:
    """The places where anything came or went, by part number. One statement, part after part as ``sums``."""
    given = Arguments()
    rest = (
        f"CROSS JOIN LATERAL ({_each(since, until, given)}) e "
        f"WHERE e.before <> 0 OR e.touched GROUP BY {PLACE} HAVING bool_or(e.touched)"
    )
    conditions = [_parts_changed(since, until, given)] if scope.everything else []
    sql = by_place(reader, scope, given, _flow(), rest, limit=limit, after=after, conditions=conditions)
    rows = await fetch(session, sql, *given)
    found = []
    for r in rows:
        values = named(told_place(dict(r), reader))
        flow = Flow(**{f.name: values.pop(f.name) for f in fields(Flow)})
        found.append(PlaceChange(**values, flow=flow))
    return found


async def difference_in_all(session: AsyncSession, reader: Actor, since: AsOf, until: AsOf, scope: Scope) -> Flow:
    """The same for all of the scope together: what moved from one of its places to another both came and left."""
    given = Arguments()
    conditions = narrowed(reader, scope, given) or ["true"]
    rows = await fetch(
        session,
        f"SELECT {_flow()} FROM ({lines(conditions)}) w CROSS JOIN LATERAL ({_each(since, until, given)}) e",
        *given,
    )
    return Flow(**dict(rows[0]))


async def changes(
    session: AsyncSession,
    reader: Actor,
    since: AsOf,
    until: AsOf,
    scope: Scope,
    *,
    place: tuple[UUID, int] | None = None,
    limit: int = 50,
    after: tuple[datetime, UUID, int] | None = None,
) -> Sequence[ChangeRow]:
    """The stock transactions that explain a difference, as they happened, told as in a unit's history. ``place``: a line
    that names a part at a place; only what came there or left there."""
    given = Arguments()
    if place:
        lot, number = (given.put(value) for value in place)
        here = f'SELECT h.* FROM "position" h WHERE h.lot_id = {lot} AND h.position_id = {number}'
        same = " AND ".join(
            f"w.{column} IS NOT DISTINCT FROM h.{column}"
            for column in ("owner_id", "holder_id", "site_id", "condition", "agreement_id")
        )
        conditions = [*narrowed(reader, scope, given), f"p.part_id = (SELECT h.part_id FROM ({here}) h)"]
        moved = (
            f"SELECT DISTINCT m.lot_id, m.seq FROM ({lines(conditions)}) w JOIN ({here}) h ON {same} "
            f"JOIN movement m ON {TOUCHES} AND {_between(since, until, given)}"
        )
    elif scope.everything:
        moved = (
            f"SELECT m.lot_id, m.seq FROM movement m WHERE m.kind NOT IN {STANDING} AND {_between(since, until, given)}"
        )
    else:
        conditions = narrowed(reader, scope, given)
        moved = (
            f"SELECT DISTINCT m.lot_id, m.seq FROM ({lines(conditions)}) w JOIN movement m ON {TOUCHES} "
            f"AND {_between(since, until, given)}"
        )
    counts = f"({happened(until, given)})::int - ({happened(since, given)})::int"
    begin = "true"
    if after:
        moment, lot, seq = (given.put(value) for value in after)
        begin = f"(m.occurred_at, m.lot_id, m.seq) > ({moment}::timestamptz, {lot}::uuid, {seq}::bigint)"
    rows = await fetch(
        session,
        f"""
        SELECT {MOVED}, 0 AS depth, {counts} AS counts, pt.id AS part_id, pt.number AS part_number, l.serial, l.uom
        FROM ({moved}) x JOIN movement m ON m.lot_id = x.lot_id AND m.seq = x.seq
        {MOVED_FROM}
        JOIN lot l ON l.lot_id = m.lot_id JOIN part pt ON pt.id = l.part_id
        WHERE {counts} <> 0 AND {begin}
        ORDER BY m.occurred_at, m.lot_id, m.seq LIMIT {given.put(limit)}
        """,
        *given,
    )
    found = []
    for r in rows:
        values = dict(r)
        own = {name: values.pop(name) for name in ("part_id", "part_number", "serial", "uom", "counts")}
        found.append(ChangeRow(told_movement(values, reader), **own))
    return found
