"""Units that are missing from under agreements: shortages that counts found, and what became of the units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements import phrases
from marketplace.agreements.missing import BREACHES, TAKEN_OUT, Became
from marketplace.db.session import WriteSession, fetch, fetch_one
from marketplace.holdings.gone import Reserved
from marketplace.kit.errors import missing
from marketplace.kit.money import Money
from marketplace.kit.pages import Page, cut, read_bookmark
from marketplace.parties.actor import Actor

CHAIN: Final = """
WITH RECURSIVE chain AS (
    SELECT id, replaces_id FROM agreement WHERE id = $1
    UNION ALL SELECT a.id, a.replaces_id FROM chain c JOIN agreement a ON a.id = c.replaces_id
)
"""
"""The agreement $1 and those it took the place of, one after the other: what was counted and owed under them counts on."""


def _of(column: str, parameter: str) -> str:
    """Rows of an agreement and of those it took the place of; all, where none is asked for."""
    chain = CHAIN.replace("$1", f"{parameter}::uuid")
    return f"({parameter}::uuid IS NULL OR {column} IN ({chain} SELECT id FROM chain))"


@dataclass(frozen=True, slots=True)
class ShortageRow:
    """A shortage that a count found. ``stands_under``: the agreement under which the units are now, where it was changed."""

    id: UUID
    agreement_id: UUID
    agreement: str
    part_id: UUID
    number: str
    uom: str
    maker_id: UUID
    maker: str
    holder_id: UUID
    holder: str
    site_id: UUID
    site: str | None
    recorded: int
    missing: int
    answered: int
    tolerated: int
    below_minimum: int
    at_stake: Decimal
    currency: str
    words: str
    opened_at: datetime
    counted_at: datetime
    explain_by: datetime
    conclude_from: datetime
    status: str
    ended_at: datetime | None
    stands_under: UUID
    zone: str

    @property
    def left(self) -> int:
        """Units of which nobody has said yet where they are."""
        return self.missing - self.answered if self.status == "open" else 0

    @property
    def stake(self) -> Money:
        """What would be owed if the holder took them out of the minimum to keep."""
        return Money(self.at_stake, self.currency)


_SHORTAGE: Final = """
SELECT s.id, s.agreement_id, a.reference AS agreement, s.part_id, p.number, p.uom, s.maker_id, m.name AS maker, s.holder_id,
       h.name AS holder, s.site_id, t.name AS site, s.recorded, s.missing, s.answered, s.tolerated, s.below_minimum, s.at_stake,
       s.currency::text AS currency, s.words, s.opened_at, s.counted_at, s.explain_by, s.conclude_from, s.status, s.ended_at, a.zone,
       (WITH RECURSIVE n AS (
            SELECT s.agreement_id AS id UNION ALL SELECT x.id FROM n JOIN agreement x ON x.replaces_id = n.id
        ) SELECT n.id FROM n WHERE NOT EXISTS (SELECT FROM agreement y WHERE y.replaces_id = n.id)) AS stands_under
FROM shortage s JOIN agreement a ON a.id = s.agreement_id JOIN part p ON p.id = s.part_id
JOIN company m ON m.id = s.maker_id JOIN company h ON h.id = s.holder_id LEFT JOIN site t ON t.id = s.site_id
"""


Waits = Literal["explain", "conclude"]
_WAITS: Final[Mapping[Waits, str]] = {
    "explain": "s.status = 'open' AND s.holder_id = $1",
    "conclude": "s.status = 'open' AND s.maker_id = $1 AND s.conclude_from <= {}::timestamptz",
}
"""What waits for the company $1 to do something."""


async def shortages(
    session: AsyncSession,
    actor: Actor,
    *,
    secret: str,
    still_open: bool | None = None,
    waits: Waits | None = None,
    now: datetime | None = None,
    agreement_id: UUID | None = None,
    after: str | None = None,
    limit: int = 50,
) -> Page[ShortageRow]:
    """Shortages of units that the company holds or has a right in, newest first. ``waits``: those that it has to explain, or
    that it may conclude at ``now``."""
    key = read_bookmark(after, secret, UUID)
    rows = await fetch(
        session,
        f"{_SHORTAGE} WHERE (s.maker_id = $1 OR s.holder_id = $1) AND ($2::boolean IS NULL OR (s.status = 'open') = $2) "
        f"AND {_of('s.agreement_id', '$3')} AND ($4::uuid IS NULL OR s.id < $4) "
        f"AND ($6 = '' OR {_WAITS['explain']} AND $6 = 'explain' OR {_WAITS['conclude'].format('$7')} AND $6 = 'conclude') "
        "ORDER BY s.id DESC LIMIT $5",
        actor.company_id, still_open, agreement_id, key[0] if key else None, limit + 1, waits or "", now,
    )  # fmt: skip
    return cut([ShortageRow(**dict(r)) for r in rows], limit, lambda row: [row.id], secret)


async def shortage(session: AsyncSession, company_id: UUID, shortage_id: UUID) -> ShortageRow:
    """One shortage of a company's. Raises ``shortage.not_found``."""
    row = await fetch_one(
        session, f"{_SHORTAGE} WHERE s.id = $2 AND (s.maker_id = $1 OR s.holder_id = $1)", company_id, shortage_id
    )
    if row is None:
        raise missing("shortage.not_found", "No such shortage of units that your company holds or has a right in.")
    return ShortageRow(**dict(row))


class Waiting(NamedTuple):
    """How much waits for a company: places to count, shortages to explain, shortages that it may conclude."""

    to_count: int
    explain: int
    conclude: int


async def waiting(session: AsyncSession, actor: Actor, now: datetime) -> Waiting:
    """How many rows ``places_to_count`` and ``shortages`` with ``waits`` list, in one statement."""
    row = await fetch_one(
        session,
        "SELECT (SELECT count(DISTINCT (part_id, site_id))::int FROM withdrawal WHERE resolved_at IS NULL AND holder_id = $1) "
        f"AS to_count, (SELECT count(*)::int FROM shortage s WHERE {_WAITS['explain']}) AS explain, "
        f"(SELECT count(*)::int FROM shortage s WHERE {_WAITS['conclude'].format('$2')}) AS conclude",
        actor.company_id, now,
    )  # fmt: skip
    return Waiting(**dict(row)) if row else Waiting(0, 0, 0)


Shelf = tuple[UUID, UUID, UUID]
"""(part, site, agreement)."""


async def shortages_on(
    session: AsyncSession, company_id: UUID, shelves: Iterable[tuple[UUID, UUID]]
) -> dict[Shelf, ShortageRow]:
    """Open shortages of these (part, site) of a holder, by the agreement that the units are under now; one statement."""
    wanted = sorted(set(shelves))
    if not wanted:
        return {}
    rows = await fetch(
        session,
        f"{_SHORTAGE} WHERE s.status = 'open' AND s.holder_id = $1 AND (s.part_id, s.site_id) IN "
        "(SELECT part_id, site_id FROM unnest($2::uuid[], $3::uuid[]) AS u (part_id, site_id))",
        company_id, [part for part, _ in wanted], [site for _, site in wanted],
    )  # fmt: skip
    found = [ShortageRow(**dict(r)) for r in rows]
    return {(s.part_id, s.site_id, s.stands_under): s for s in found}


async def shortages_for_update(
    session: WriteSession, *, holder_id: UUID, site_id: UUID, part_id: UUID
) -> Sequence[ShortageRow]:
    """The open shortages of one shelf, locked in id order. Lots and agreements are locked before."""
    rows = await fetch(
        session,
        "SELECT id FROM shortage WHERE holder_id = $1 AND site_id = $2 AND part_id = $3 AND status = 'open' "
        "ORDER BY id FOR NO KEY UPDATE",
        holder_id, site_id, part_id,
    )  # fmt: skip
    found = await fetch(
        session,
        f"{_SHORTAGE} WHERE s.id = ANY($1::uuid[]) AND s.status = 'open' ORDER BY s.id",
        [r["id"] for r in rows],
    )
    return [ShortageRow(**dict(r)) for r in found]


async def with_those_before(session: AsyncSession, agreement_id: UUID) -> frozenset[UUID]:
    """An agreement and those it took the place of."""
    return frozenset(r["id"] for r in await fetch(session, f"{CHAIN} SELECT id FROM chain", agreement_id))


@dataclass(frozen=True, slots=True)
class MissingRow:
    """What became of units that were missing, who said so, and what is owed for them."""

    id: UUID
    shortage_id: UUID | None
    agreement_id: UUID
    agreement: str
    part_id: UUID
    number: str
    uom: str
    maker_id: UUID
    maker: str
    holder_id: UUID
    holder: str
    site_id: UUID
    site: str | None
    became: str
    quantity: int
    without_leave: int
    below_minimum: int
    line_kind: str | None
    amount: Decimal
    currency: str
    due_on: date
    words: str
    note: str
    happened_at: datetime
    command_id: UUID
    company_id: UUID
    at: datetime
    taken: int | None
    taken_price: Decimal | None
    taken_due_on: date | None

    @property
    def owed(self) -> Money:
        """What the holder owes for breach, or for the loss."""
        return Money(self.amount, self.currency)

    @property
    def price(self) -> PriceOwed | None:
        """What it owes beside, where the units stayed the manufacturer's and count as taken out."""
        if self.taken is None or self.taken_price is None or self.taken_due_on is None:
            return None
        each = Money(self.taken_price, self.currency)
        owed = (each * self.taken).rounded()
        units = phrases.count(self.taken, "unit")
        words = (
            f"{units} {'counts' if self.taken == 1 else 'count'} as taken out (title-kept, section {TAKEN_OUT}): the price, "
            f"{owed} at {each} each, is due by {phrases.day(self.taken_due_on)}."
        )
        return PriceOwed(self.taken, owed.amount, self.currency, self.taken_due_on, words)

    @property
    def told(self) -> str:
        """All that is owed, with section and day, in words."""
        due = f" Due by {phrases.day(self.due_on)}." if self.line_kind else ""
        return f"{self.words}{due}{f' {price.words}' if (price := self.price) else ''}"


class PriceOwed(NamedTuple):
    """The price of units that count as taken out."""

    units: int
    amount: Decimal
    currency: str
    due_on: date
    words: str

    @property
    def owed(self) -> Money:
        """The amount as money."""
        return Money(self.amount, self.currency)


_MISSING: Final = """
SELECT u.id, u.shortage_id, u.agreement_id, a.reference AS agreement, u.part_id, p.number, p.uom, u.maker_id, m.name AS maker,
       u.holder_id, h.name AS holder, u.site_id, t.name AS site, u.became, u.quantity, u.without_leave, u.below_minimum,
       u.line_kind, u.amount, u.currency::text AS currency, u.due_on, u.words, u.note, u.happened_at, u.command_id, u.company_id,
       u.at, o.quantity AS taken, o.unit_price AS taken_price, o.due_on AS taken_due_on
FROM missing_units u LEFT JOIN taking_out o ON o.command_id = u.command_id AND o.part_id = u.part_id
JOIN agreement a ON a.id = u.agreement_id JOIN part p ON p.id = u.part_id
JOIN company m ON m.id = u.maker_id JOIN company h ON h.id = u.holder_id LEFT JOIN site t ON t.id = u.site_id
"""


async def missing_units(
    session: AsyncSession,
    actor: Actor,
    *,
    secret: str,
    agreement_id: UUID | None = None,
    after: str | None = None,
    limit: int = 50,
) -> Page[MissingRow]:
    """What became of units that the company holds or has a right in, newest first."""
    key = read_bookmark(after, secret, UUID)
    rows = await fetch(
        session,
        f"{_MISSING} WHERE (u.maker_id = $1 OR u.holder_id = $1) AND {_of('u.agreement_id', '$2')} "
        "AND ($3::uuid IS NULL OR u.id < $3) ORDER BY u.id DESC LIMIT $4",
        actor.company_id, agreement_id, key[0] if key else None, limit + 1,
    )  # fmt: skip
    return cut([MissingRow(**dict(r)) for r in rows], limit, lambda row: [row.id], secret)


async def one_missing(session: AsyncSession, missing_id: UUID) -> MissingRow | None:
    """What became of some units, as far as the reader may see it."""
    row = await fetch_one(session, f"{_MISSING} WHERE u.id = $1", missing_id)
    return MissingRow(**dict(row)) if row else None


async def breaches(session: AsyncSession, agreement_ids: Iterable[UUID], *, limit: int = 100) -> Sequence[MissingRow]:
    """Units that left the holder's hands without leave under these agreements, by its own word or concluded, and were not found
    again since; oldest first."""
    rows = await fetch(
        session,
        f"{_MISSING} WHERE u.agreement_id = ANY($1::uuid[]) AND u.became = ANY($2::text[]) AND u.without_leave > "
        "(SELECT coalesce(sum(f.quantity), 0) FROM missing_units f WHERE f.agreement_id = ANY($1) AND f.part_id = u.part_id "
        "AND f.became = 'found' AND f.at >= u.at) ORDER BY u.id LIMIT $3",
        list(agreement_ids), sorted(BREACHES), limit,
    )  # fmt: skip
    return [MissingRow(**dict(r)) for r in rows]


async def said_under(session: AsyncSession, agreement_ids: Iterable[UUID], *, limit: int = 100) -> Sequence[MissingRow]:
    """What was said of missing units under these agreements, newest first."""
    rows = await fetch(
        session, f"{_MISSING} WHERE u.agreement_id = ANY($1::uuid[]) ORDER BY u.id DESC LIMIT $2", list(agreement_ids), limit
    )  # fmt: skip
    return [MissingRow(**dict(r)) for r in rows]


async def became_by(session: AsyncSession, command_id: UUID) -> Became | None:
    """What was said to have become of the units that a command took off the record; None where it did nothing of the kind."""
    row = await fetch_one(session, "SELECT became FROM missing_units WHERE command_id = $1", command_id)
    return Became(row["became"]) if row else None


async def is_owed_for(session: AsyncSession, command_id: UUID) -> bool:
    """Whether something is owed for what a command wrote down about missing units."""
    row = await fetch_one(
        session,
        "SELECT EXISTS (SELECT FROM missing_units WHERE command_id = $1 AND line_kind IS NOT NULL) "
        "OR EXISTS (SELECT FROM taking_out WHERE command_id = $1 AND why = 'without_leave') AS owed",
        command_id,
    )
    return bool(row and row["owed"])


async def charged(session: AsyncSession, agreement_id: UUID, part_id: UUID) -> Decimal:
    """What is owed for breach so far under an agreement and those it took the place of. Asked under its lock."""
    row = await fetch_one(
        session,
        f"{CHAIN} SELECT coalesce(sum(u.amount), 0) AS amount FROM missing_units u JOIN chain c ON c.id = u.agreement_id "
        "WHERE u.part_id = $2 AND u.line_kind = 'breach'",
        agreement_id, part_id,
    )  # fmt: skip
    return row["amount"] if row else Decimal(0)


async def missing_elsewhere(session: AsyncSession, agreement_id: UUID, part_id: UUID, site_id: UUID) -> int:
    """Units of a part under an agreement (and those it took the place of) that are missing on other shelves than this, and of
    which nobody has said what became of them. Asked under the agreement's lock."""
    row = await fetch_one(
        session,
        f"{CHAIN} SELECT coalesce(sum(s.missing - s.answered), 0)::int AS units FROM shortage s JOIN chain c ON c.id = s.agreement_id "
        "WHERE s.part_id = $2 AND s.site_id <> $3 AND s.status = 'open'",
        agreement_id, part_id, site_id,
    )  # fmt: skip
    return row["units"] if row else 0


async def reserved_on(session: AsyncSession, lot_ids: Iterable[UUID], now: datetime) -> list[Reserved]:
    """Open reservations on lots, which are locked; without those whose time is over, which the ledger ends."""
    rows = await fetch(
        session,
        "SELECT lot_id, position_id, hold_seq, quantity, cause_kind, cause_id, expires_at FROM open_hold WHERE lot_id = ANY($1::uuid[]) "
        "AND (expires_at IS NULL OR expires_at > $2)",
        list(lot_ids), now,
    )  # fmt: skip
    return [Reserved(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class OrderedBack:
    """An order back of a part under an agreement that is not over: so many units, noticed when."""

    agreement_id: UUID
    part_id: UUID
    units: int
    noticed_at: datetime
    zone: str


async def orders_noticed_after(
    session: WriteSession, pairs: Iterable[tuple[UUID, UUID]], moment: datetime
) -> Sequence[OrderedBack]:
    """Orders of these (agreement, part), which are locked, that were noticed after ``moment`` and have units reserved, or were
    answered by saying that the units are not there, which nobody has counted since; the first one of each pair."""
    wanted = list(pairs)
    rows = await fetch(
        session,
        "SELECT DISTINCT ON (e.agreement_id, e.part_id) e.agreement_id, e.part_id, e.units, e.at AS noticed_at, a.zone "
        "FROM unnest($1::uuid[], $2::uuid[]) AS w (agreement_id, part_id) "
        "JOIN agreement_exercise e ON e.agreement_id = w.agreement_id AND e.part_id = w.part_id AND e.at > $3 "
        "JOIN agreement a ON a.id = e.agreement_id "
        "WHERE e.undone_at IS NULL AND EXISTS (SELECT FROM open_hold h WHERE h.cause_id = e.call_id) "
        "OR EXISTS (SELECT FROM withdrawal x WHERE x.holder_id = a.holder_id AND x.cause_id = e.call_id AND x.resolved_at IS NULL) "
        "ORDER BY e.agreement_id, e.part_id, e.at",
        [agreement for agreement, _ in wanted], [part for _, part in wanted], moment,
    )  # fmt: skip
    return [OrderedBack(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class Searched:
    """Units said not to be on the shelf."""

    id: UUID
    lot_id: UUID
    position_id: int
    quantity: int


async def searched_on(session: AsyncSession, lines: Iterable[tuple[UUID, int]]) -> list[Searched]:
    """What is being looked for on these (lot, stock line), whose lots are locked; the oldest search first."""
    wanted = list(lines)
    rows = await fetch(
        session,
        "SELECT w.id, w.lot_id, w.position_id, w.quantity FROM unnest($1::uuid[], $2::int[]) AS u (lot_id, position_id) "
        "JOIN withdrawal w ON w.lot_id = u.lot_id AND w.position_id = u.position_id WHERE w.resolved_at IS NULL ORDER BY w.id",
        [lot for lot, _ in wanted], [number for _, number in wanted],
    )  # fmt: skip
    return [Searched(**dict(r)) for r in rows]
