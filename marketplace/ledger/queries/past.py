"""Where units sat at a time, as it was known at a time: line by line, and by part and place.

Everything is added up from the stock transactions, never read from the balances kept on rows. A line that a reader sees
was touched only by transactions that the reader sees as well, so that row level security leaves no sum half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch, fetch_value
from marketplace.kit.errors import forbidden
from marketplace.parties.actor import Actor


@dataclass(frozen=True, slots=True)
class AsOf:
    """What had happened by ``at``, as far as it was known at ``known_at``."""

    at: datetime
    known_at: datetime


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose lines: those of a lot, a part, an agreement, with a holder, of several of these at once; of none: all that the
    tenant may see."""

    lot_id: UUID | None = None
    part_id: UUID | None = None
    holder_id: UUID | None = None
    agreement_id: UUID | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing narrows it down."""
        return (self.lot_id or self.part_id or self.holder_id or self.agreement_id) is None


@dataclass(frozen=True, slots=True)
class AsOfRow:
    """How many of a lot were where at a time. Where a maker hides its holders from the reader, companies and place are
    told only roughly; ``agreement_id`` is None to whom the agreement does not bind."""

    lot_id: UUID
    position_id: int
    part_id: UUID
    part_number: str
    serial: str | None
    batch: str | None
    uom: str
    owner: str
    holder: str
    site: str | None
    condition: str
    agreement_id: UUID | None
    quantity: int


PlaceKey = tuple[UUID, str, UUID, str]
"""What lists by part and place are ordered by: the maker, the part number, the part, and one of the place's lines."""


@dataclass(frozen=True, slots=True)
class PartPlace:
    """A part at one place: with one owner, holder, site (None = on the road), condition and agreement. Told as an ``AsOfRow``.
    ``lot_id`` and ``position_id``: one of its lines, by which the place can be named without naming who is there."""

    maker_id: UUID
    part_id: UUID
    part_number: str
    number_norm: str
    description: str
    uom: str
    owner: str
    holder: str
    site: str | None
    condition: str
    agreement_id: UUID | None
    lot_id: UUID
    position_id: int

    @property
    def key(self) -> PlaceKey:
        """Where it stands in the list."""
        return self.maker_id, self.number_norm, self.part_id, f"{self.lot_id}.{self.position_id}"


@dataclass(frozen=True, slots=True)
class PlaceSum(PartPlace):
    """How many units of a part were at one place; ``lots``: of how many lots."""

    quantity: int
    lots: int


@dataclass(frozen=True, slots=True)
class Pin:
    """A site on the map, with how many units were there in all."""

    site_id: UUID
    holder: str
    site: str
    lat: float
    lon: float
    quantity: int


class Arguments(list[object]):
    """The arguments of a statement that is put together from parts."""

    def put(self, value: object) -> str:
        """Adds a value and returns its place in the text."""
        self.append(value)
        return f"${len(self)}"


STANDING: Final = "('hold', 'void', 'expire', 'freeze', 'lift')"
"""Transactions that move nothing."""
DELTA: Final = (
    "CASE WHEN m.to_position = w.position_id THEN m.quantity ELSE 0 END "
    "- CASE WHEN m.from_position = w.position_id THEN m.quantity ELSE 0 END"
)
TOUCHES: Final = (
    "m.lot_id = w.lot_id AND (m.to_position = w.position_id OR m.from_position = w.position_id) "
    f"AND m.kind NOT IN {STANDING}"
)
"""The transactions ``m`` that changed how many there are on the line ``w``."""


def happened(then: AsOf, given: Arguments, of: str = "m") -> str:
    """Whether a transaction had happened, and was known."""
    return f"{of}.occurred_at <= {given.put(then.at)} AND {of}.recorded_at <= {given.put(then.known_at)}"


def check_scope(reader: Actor, scope: Scope) -> None:
    """By whom units are held may be asked only by who may be told. Raises ``ledger.holder_hidden``."""
    if scope.holder_id and reader.masked and not reader.knows(scope.holder_id):
        raise forbidden(
            "ledger.holder_hidden",
            "Who holds these units is hidden from you, so they cannot be looked up by their holder. "
            "Look them up by part number.",
        )


def narrowed(reader: Actor, scope: Scope, given: Arguments) -> list[str]:
    """The conditions on a line ``p``. An agreement is asked for by who is bound by it. Raises ``ledger.holder_hidden``."""
    check_scope(reader, scope)
    wanted = []
    if scope.lot_id:
        wanted.append(f"p.lot_id = {given.put(scope.lot_id)}")
    if scope.part_id:
        wanted.append(f"p.part_id = {given.put(scope.part_id)}")
    if scope.holder_id:
        wanted.append(f"p.holder_id = {given.put(scope.holder_id)}")
    if scope.agreement_id:
        me = given.put(reader.company_id)
        wanted.append(
            f"p.agreement_id = {given.put(scope.agreement_id)} AND {me} IN (p.owner_id, p.holder_id, p.beneficiary_id)"
        )
    return wanted


def lines(conditions: Sequence[str]) -> str:
    """The lines that meet the conditions, as a subquery: those with stock and the emptied ones each from their index."""
    where = " AND ".join(conditions)
    return " UNION ALL ".join(
        f'SELECT p.* FROM "position" p WHERE {where} AND p.quantity {filled}' for filled in ("> 0", "= 0")
    )


def then_on(then: AsOf, given: Arguments) -> str:
    """How many there were on each line ``w``, as ``d``."""
    return f"CROSS JOIN LATERAL (SELECT sum({DELTA}) AS quantity FROM movement m WHERE {TOUCHES} AND {happened(then, given)}) d"


async def as_of(
    session: AsyncSession,
    reader: Actor,
    then: AsOf,
    scope: Scope,
    *,
    limit: int = 500,
    after: tuple[UUID, int] | None = None,
) -> Sequence[AsOfRow]:
    """Where every unit sat, line by line, told as the reader may see it. One statement, ordered by (lot, position); the
    lines are walked in that order, so that a page reads no more than it shows."""
    given = Arguments()
    conditions = narrowed(reader, scope, given)
    if after:
        conditions.append(f"(p.lot_id, p.position_id) > ({given.put(after[0])}::uuid, {given.put(after[1])}::int)")
    # One lot, or everything: along the primary key, which is that order.
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    wanted = f'SELECT p.* FROM "position" p {where}' if scope.lot_id or scope.everything else lines(conditions)
    rows = await fetch(
        session,
        f"""
        SELECT x.lot_id, x.position_id, x.part_id, pt.number AS part_number, l.serial, l.batch, l.uom, o.name AS owner,
               h.name AS holder, s.name AS site, x.condition, x.agreement_id, x.counted::int AS quantity, x.owner_id,
               x.holder_id, x.beneficiary_id, s.region
        FROM (
            SELECT w.*, d.quantity AS counted FROM (SELECT * FROM ({wanted}) p ORDER BY p.lot_id, p.position_id) w
            {then_on(then, given)} WHERE d.quantity <> 0 ORDER BY w.lot_id, w.position_id LIMIT {given.put(limit)}
        ) x
        JOIN lot l ON l.lot_id = x.lot_id
        JOIN part pt ON pt.id = x.part_id
        JOIN company o ON o.id = x.owner_id JOIN company h ON h.id = x.holder_id
        LEFT JOIN site s ON s.id = x.site_id
        ORDER BY x.lot_id, x.position_id
        """,
        *given,
    )
    return [AsOfRow(**told_place(dict(r), reader)) for r in rows]


def told_place(values: dict[str, Any], reader: Actor) -> dict[str, Any]:
    """The row with its companies, its site and its agreement as the reader may see them, without what was read only to
    decide that."""
    owner, holder, region = values.pop("owner_id"), values.pop("holder_id"), values.pop("region")
    right = values.pop("beneficiary_id")
    if reader.company_id not in (owner, holder, right):
        values["agreement_id"] = None
    if reader.veils(owner, holder, right):
        values["owner"] = reader.told(owner, values["owner"], veiled=True)
        values["holder"] = reader.told(holder, values["holder"], veiled=True, region=region)
        values["site"] = reader.told_place(holder, values["site"], veiled=True, region=region)
        values["agreement_id"] = None
    return values


# -- by part and place -------------------------------------------------------------------------------------

PLACE: Final = "w.owner_id, w.holder_id, w.site_id, w.condition, w.agreement_id, w.beneficiary_id"
FIRST_LINE: Final = "min((w.lot_id::text || '.' || w.position_id) COLLATE \"C\")"
"""One of a place's lines, always the same: it names the place, and is what its rows are ordered by."""


def by_place(
    reader: Actor,
    scope: Scope,
    given: Arguments,
    columns: str,
    rest: str,
    *,
    limit: int,
    after: PlaceKey | None,
    conditions: Sequence[str] = (),
) -> str:
    """The statement that groups the lines ``w`` of the scope by part and place: ``columns`` are added up, ``rest`` is what
    follows the lines in FROM, WHERE and GROUP BY. Parts are walked in the order of their numbers and each is grouped by
    itself, so that a page of everything reads no more than it shows: a nested loop, whose order stays that of its outer
    side, since the inner one looks at it."""
    inner = lines([*narrowed(reader, scope, given), "p.part_id = pt.id"])
    where = list(conditions)
    if scope.part_id:
        where.append(f"pt.id = {given.put(scope.part_id)}")
    elif not scope.everything:
        where.append(f"pt.id IN (SELECT p.part_id FROM ({lines(narrowed(reader, scope, given))}) p)")
    begin = "true"
    if after:
        maker, number, part, place = (given.put(value) for value in after)
        last = f"{maker}::uuid, {number}::text, {part}::uuid"
        where.append(f"(pt.maker_id, pt.number_norm, pt.id) >= ({last})")
        begin = f"(pt.maker_id, pt.number_norm, pt.id, g.place) > ({last}, {place}::text)"
    most = given.put(limit)
    return f"""
        SELECT x.*, o.name AS owner, h.name AS holder, s.name AS site, s.region FROM (
            SELECT pt.maker_id, pt.id AS part_id, pt.number AS part_number, pt.number_norm, pt.description, pt.uom, g.*
            FROM (
                SELECT pt.* FROM part pt {"WHERE " + " AND ".join(where) if where else ""} ORDER BY pt.maker_id, pt.number_norm, pt.id
            ) pt
            CROSS JOIN LATERAL (
                SELECT {PLACE}, {FIRST_LINE} AS place, {columns} FROM ({inner}) w {rest}
                ORDER BY place
            ) g
            WHERE {begin} LIMIT {most}
        ) x
        JOIN company o ON o.id = x.owner_id JOIN company h ON h.id = x.holder_id
        LEFT JOIN site s ON s.id = x.site_id
        ORDER BY x.maker_id, x.number_norm, x.part_id, x.place
    """


async def sums(
    session: AsyncSession,
    reader: Actor,
    then: AsOf,
    scope: Scope,
    *,
    limit: int = 50,
    after: PlaceKey | None = None,
) -> Sequence[PlaceSum]:
    """How many units of each part were at each place, maker by maker in the order of part numbers. One statement."""
    given = Arguments()
    columns = "sum(d.quantity)::int AS quantity, count(DISTINCT w.lot_id)::int AS lots"
    rest = f"{then_on(then, given)} WHERE d.quantity <> 0 GROUP BY {PLACE}"
    sql = by_place(reader, scope, given, columns, rest, limit=limit, after=after)
    return [PlaceSum(**named(told_place(dict(r), reader))) for r in await fetch(session, sql, *given)]


def named(values: dict[str, Any]) -> dict[str, Any]:
    """The row with the line that names its place taken apart."""
    lot, number = values.pop("place").split(".")
    values.pop("site_id")
    return values | {"lot_id": UUID(lot), "position_id": int(number)}


async def later_are_fewer(session: AsyncSession, then: AsOf) -> bool:
    """Whether less has come since than had come before, as far as PostgreSQL's statistics tell."""

    async def expected(where: str, *values: object) -> int:
        plan = await fetch_value(session, f"EXPLAIN (FORMAT JSON) SELECT FROM movement m {where}", *values)
        rows: int = plan[0]["Plan"]["Plan Rows"]
        return rows

    since = await expected("WHERE m.occurred_at > $1 OR m.recorded_at > $2", then.at, then.known_at)
    return since < await expected("") / 2


def every_line(reader: Actor, then: AsOf, scope: Scope, given: Arguments, *, back: bool = False) -> str:
    """The lines with what was on them as ``counted``, all at once and in no order: nothing is walked line by line, so that
    it is one pass over the ledger where all of it is asked. ``back``: from what is there now, less what has come since."""
    changes = "m.quantity * side.sign"
    if scope.everything and back:
        later = f"(m.occurred_at > {given.put(then.at)} OR m.recorded_at > {given.put(then.known_at)})"
        return (
            'SELECT w.*, w.quantity - coalesce(d.since, 0) AS counted FROM "position" w LEFT JOIN ('
            f"SELECT m.lot_id, CASE side.sign WHEN 1 THEN m.to_position ELSE m.from_position END AS position_id, sum({changes}) AS since "
            f"FROM movement m CROSS JOIN generate_series(-1, 1, 2) side (sign) WHERE m.kind NOT IN {STANDING} AND {later} "
            "GROUP BY 1, 2) d ON d.lot_id = w.lot_id AND d.position_id = w.position_id WHERE w.quantity <> coalesce(d.since, 0)"
        )
    if scope.everything:
        return (
            f"SELECT w.*, d.counted FROM (SELECT m.lot_id, CASE side.sign WHEN 1 THEN m.to_position ELSE m.from_position END "
            f"AS position_id, sum({changes}) AS counted FROM movement m CROSS JOIN generate_series(-1, 1, 2) side (sign) "
            f"WHERE m.kind NOT IN {STANDING} AND {happened(then, given)} GROUP BY 1, 2 HAVING sum({changes}) <> 0) d "
            'JOIN "position" w ON w.lot_id = d.lot_id AND w.position_id = d.position_id'
        )
    return (
        f"SELECT w.*, d.quantity AS counted FROM ({lines(narrowed(reader, scope, given))}) w {then_on(then, given)} "
        "WHERE d.quantity <> 0"
    )


MOST_PINS: Final = 2_000


async def pins(session: AsyncSession, reader: Actor, then: AsOf, scope: Scope) -> Sequence[Pin]:
    """How many units were at each site whose place on the map the reader may be told, most first."""
    given = Arguments()
    back = scope.everything and await later_are_fewer(session, then)
    rows = await fetch(
        session,
        f"""
        SELECT g.*, h.name AS holder, s.name AS site, s.lat, s.lon
        FROM (
            SELECT x.owner_id, x.holder_id, x.beneficiary_id, x.site_id, sum(x.counted)::int AS quantity
            FROM ({every_line(reader, then, scope, given, back=back)}) x
            WHERE x.site_id IS NOT NULL GROUP BY 1, 2, 3, 4
        ) g
        JOIN company h ON h.id = g.holder_id JOIN site s ON s.id = g.site_id
        WHERE s.lat IS NOT NULL AND s.lon IS NOT NULL ORDER BY g.quantity DESC, g.site_id
        """,
        *given,
    )
    found: dict[tuple[UUID, str], Pin] = {}
    for r in rows:
        if reader.veils(r["owner_id"], r["holder_id"], r["beneficiary_id"]) and not reader.knows(r["holder_id"]):
            continue
        key = r["site_id"], r["holder"]
        more = found[key].quantity if key in found else 0
        found[key] = Pin(r["site_id"], r["holder"], r["site"], r["lat"], r["lon"], r["quantity"] + more)
    return sorted(found.values(), key=lambda pin: (-pin.quantity, pin.site_id))[:MOST_PINS]
