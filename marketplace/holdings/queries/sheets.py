"""Count sheets: the holder's own. What is on record is asked as of the moment at which each part was counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one, fetch_value
from marketplace.holdings.sheet import DEFAULT_TOLERANCE, Known, Variance, tolerance
from marketplace.kit.errors import missing
from marketplace.ledger.queries.past import STANDING


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A count that was begun. ``entries``: rows that stand; ``ended``: 'confirmed' or 'dropped'."""

    id: UUID
    reference: str
    site_id: UUID
    site: str
    part_id: UUID | None
    number: str | None
    agreement_id: UUID | None
    agreement: str | None
    blind: bool
    opened_at: datetime
    opened_by: str
    entries: int
    last_at: datetime | None
    ended: str | None
    ended_at: datetime | None
    differing: int

    @property
    def open(self) -> bool:
        """Whether more can be entered."""
        return self.ended is None


STANDS = "NOT EXISTS (SELECT FROM count_entry b WHERE b.takes_back = e.id) AND e.takes_back IS NULL"
"""Whether the row ``e`` of a sheet counts: it was not taken back, and takes nothing back."""
_ROUND = "(SELECT 1 + count(*)::int FROM count_recount r WHERE r.sheet_id = e.sheet_id AND r.part_id = e.part_id)"
_COUNTS = f"{STANDS} AND e.round = {_ROUND}"
_SHEETS = f"""
SELECT c.id, c.reference, c.site_id, s.name AS site, c.part_id, p.number, c.agreement_id, a.reference AS agreement, c.blind, c.opened_at,
       coalesce(u.name, '') AS opened_by, n.entries, n.last_at, x.how AS ended, x.at AS ended_at,
       (SELECT count(*)::int FROM count_result y WHERE y.sheet_id = c.id AND y.counted <> y.expected) AS differing
FROM count_sheet c JOIN site s ON s.id = c.site_id LEFT JOIN part p ON p.id = c.part_id LEFT JOIN agreement a ON a.id = c.agreement_id
LEFT JOIN user_account u ON u.id = c.opened_by LEFT JOIN count_end x ON x.sheet_id = c.id
CROSS JOIN LATERAL (SELECT count(*)::int AS entries, max(e.at) AS last_at FROM count_entry e WHERE e.sheet_id = c.id AND {STANDS}) n
"""


async def sheets(
    session: AsyncSession,
    holder_id: UUID,
    *,
    still_open: bool | None = None,
    after: UUID | None = None,
    limit: int = 51,
) -> Sequence[SheetRow]:
    """The company's counts, newest first."""
    rows = await fetch(
        session,
        _SHEETS + "WHERE c.holder_id = $1 AND ($2::bool IS NULL OR (x.sheet_id IS NULL) = $2) AND ($3::uuid IS NULL OR c.id < $3) "
        "ORDER BY c.id DESC LIMIT $4",
        holder_id, still_open, after, limit,
    )  # fmt: skip
    return [SheetRow(**dict(r)) for r in rows]


async def sheet(session: AsyncSession, holder_id: UUID, sheet_id: UUID) -> SheetRow:
    """One count. Raises ``count.not_found``."""
    row = await fetch_one(session, _SHEETS + "WHERE c.id = $1 AND c.holder_id = $2", sheet_id, holder_id)
    if row is None:
        raise missing("count.not_found", "No such count.")
    return SheetRow(**dict(row))


async def sheet_for_update(session: WriteSession, holder_id: UUID, sheet_id: UUID) -> SheetRow:
    """As ``sheet``; nobody else enters or ends anything until this transaction ends."""
    await fetch(session, "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))", f"count {sheet_id}")
    return await sheet(session, holder_id, sheet_id)


@dataclass(frozen=True, slots=True)
class EntryRow:
    """Something entered that stands. ``known``: where a unit with a serial number is on record; ``place``: where, as far as the
    holder may know."""

    id: UUID
    part_id: UUID | None
    number: str | None
    lot_id: UUID | None
    serial: str | None
    quantity: int
    round: int
    how: str
    at: datetime
    by: str
    counts: bool
    known: Known | None
    place: str | None


_ENTRIES = f"""
SELECT e.id, e.part_id, p.number, e.lot_id, e.serial, e.quantity, e.round, e.how, e.at, coalesce(u.name, '') AS by,
       coalesce(e.round = {_ROUND}, true) AS counts,
       CASE WHEN e.serial IS NULL THEN NULL WHEN q.site_id = c.site_id AND q.holder_id = c.holder_id THEN 'here'
            WHEN q.holder_id = c.holder_id THEN 'at_another_site' WHEN q.lot_id IS NOT NULL THEN 'elsewhere'
            WHEN e.lot_id IS NOT NULL THEN 'gone'
            WHEN upper(e.serial) IN (SELECT k.serial FROM count_known_elsewhere(c.id) k) THEN 'elsewhere' ELSE 'unknown' END AS known,
       CASE WHEN q.holder_id = c.holder_id THEN coalesce(s.name, 'in transit') END AS place
FROM count_entry e JOIN count_sheet c ON c.id = e.sheet_id LEFT JOIN part p ON p.id = e.part_id
LEFT JOIN user_account u ON u.id = e.by LEFT JOIN position q ON q.lot_id = e.lot_id AND q.quantity > 0
LEFT JOIN site s ON s.id = q.site_id
WHERE e.sheet_id = $1 AND {STANDS}
"""


async def entries(
    session: AsyncSession, sheet_id: UUID, *, after: UUID | None = None, limit: int = 51, foreign: bool = False
) -> Sequence[EntryRow]:
    """What was entered and stands, newest first. ``foreign``: only units that are not on record here."""
    rows = await fetch(
        session,
        f"SELECT * FROM ({_ENTRIES}) t WHERE ($2::uuid IS NULL OR t.id < $2) AND (NOT $3 OR t.known <> 'here') ORDER BY t.id DESC LIMIT $4",
        sheet_id, after, foreign, limit,
    )  # fmt: skip
    return [EntryRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class ToCount:
    """A part on record at the sheet's place. ``expected`` is not told before it was counted, on a blind sheet."""

    part_id: UUID
    number: str
    norm: str
    description: str
    serialised: bool
    expected: int
    counted: int | None


_SHELF = """
shelf AS (
    SELECT p.part_id, sum(p.quantity)::bigint AS quantity, bool_or(p.serialised) AS serialised,
           sum(p.quantity) FILTER (WHERE p.agreement_id IS NOT NULL)::bigint AS encumbered
    FROM count_sheet c JOIN position p ON p.holder_id = c.holder_id AND p.site_id = c.site_id AND p.quantity > 0
    -- What is kept apart for its owner is no part of the shelf.
    WHERE c.id = $1 AND (p.agreement_id IS NOT NULL OR p.owner_id = p.holder_id) AND (c.part_id IS NULL OR p.part_id = c.part_id)
      AND (c.agreement_id IS NULL OR p.part_id IN (SELECT g.part_id FROM agreement_line g WHERE g.agreement_id = c.agreement_id))
    GROUP BY p.part_id
)
"""


async def to_count(
    session: AsyncSession, sheet_id: UUID, *, after: tuple[str, UUID] | None = None, limit: int = 51
) -> Sequence[ToCount]:
    """Parts on record where the sheet counts, by number."""
    rows = await fetch(
        session,
        f"""
        WITH {_SHELF}, said AS (
            SELECT e.part_id, sum(CASE WHEN e.serial IS NULL OR EXISTS (
                SELECT FROM position q JOIN count_sheet c ON c.id = e.sheet_id WHERE q.lot_id = e.lot_id AND q.holder_id = c.holder_id
                AND q.site_id = c.site_id AND q.quantity > 0) THEN e.quantity ELSE 0 END)::bigint AS counted
            FROM count_entry e WHERE e.sheet_id = $1 AND {_COUNTS} GROUP BY e.part_id
        )
        SELECT h.part_id, p.number, p.number_norm, p.description, h.serialised, h.quantity AS expected, d.counted
        FROM shelf h JOIN part p ON p.id = h.part_id LEFT JOIN said d ON d.part_id = h.part_id
        WHERE $2::text IS NULL OR (p.number_norm, p.id) > ($2, $3::uuid) ORDER BY p.number_norm, p.id LIMIT $4
        """,
        sheet_id, after[0] if after else None, after[1] if after else None, limit,
    )  # fmt: skip
    return [
        ToCount(
            r["part_id"], r["number"], r["number_norm"], r["description"], r["serialised"], r["expected"], r["counted"]
        )
        for r in rows
    ]


async def variances(session: AsyncSession, sheet_id: UUID) -> Sequence[Variance]:
    """Every part that was counted, against what was on record at the moment of its last entry; one statement. What came and went
    after that moment is told apart, by when it happened."""
    rows = await fetch(
        session,
        f"""
        WITH sheet AS (SELECT * FROM count_sheet WHERE id = $1),
        said AS (
            SELECT e.part_id, max(e.round) AS round, max(e.at) AS counted_at,
                   -- A unit that is on record somewhere else is no unit of this shelf yet.
                   sum(CASE WHEN e.serial IS NULL OR q.lot_id IS NOT NULL OR g.lot_id IS NOT NULL THEN e.quantity ELSE 0 END)::bigint AS counted,
                   array_agg(e.lot_id) FILTER (WHERE e.lot_id IS NOT NULL) AS seen
            FROM count_entry e CROSS JOIN sheet c
            LEFT JOIN position q ON q.lot_id = e.lot_id AND q.holder_id = c.holder_id AND q.site_id = c.site_id AND q.quantity > 0
            -- It was here when it was read, and has gone since.
            LEFT JOIN LATERAL (
                SELECT m.lot_id FROM movement m JOIN position f ON f.lot_id = m.lot_id AND f.position_id = m.from_position
                WHERE m.lot_id = e.lot_id AND m.occurred_at > e.at AND f.holder_id = c.holder_id AND f.site_id = c.site_id
                  AND m.kind NOT IN {STANDING} LIMIT 1) g ON q.lot_id IS NULL
            WHERE e.sheet_id = $1 AND e.part_id IS NOT NULL AND {_COUNTS} GROUP BY e.part_id
        ), lines AS (
            SELECT p.lot_id, p.position_id, p.part_id, p.quantity, p.agreement_id FROM position p CROSS JOIN sheet c
            WHERE p.holder_id = c.holder_id AND p.site_id = c.site_id AND p.part_id IN (SELECT d.part_id FROM said d)
              AND (p.agreement_id IS NOT NULL OR p.owner_id = p.holder_id)
        ), stands AS (
            SELECT part_id, sum(quantity)::bigint AS quantity, sum(quantity) FILTER (WHERE agreement_id IS NOT NULL)::bigint AS encumbered
            FROM lines GROUP BY part_id
        ), since AS (
            SELECT n.part_id, sum(CASE WHEN m.to_position = n.position_id THEN m.quantity ELSE 0 END
                                - CASE WHEN m.from_position = n.position_id THEN m.quantity ELSE 0 END)::bigint AS moved
            FROM lines n JOIN said d ON d.part_id = n.part_id JOIN movement m ON m.lot_id = n.lot_id
                AND n.position_id IN (m.from_position, m.to_position) AND m.occurred_at > d.counted_at
                AND m.kind NOT IN {STANDING}
            -- What was read, and is on record here now, was here then, whenever the record says that it came.
            WHERE n.quantity = 0 OR NOT n.lot_id = ANY (coalesce(d.seen, '{{}}'))
            GROUP BY n.part_id
        )
        SELECT d.part_id, p.number, p.description, p.uom, d.round, d.counted_at, d.counted, d.seen, coalesce(s.encumbered, 0) AS encumbered,
               coalesce(s.quantity, 0) - coalesce(v.moved, 0) AS expected, coalesce(v.moved, 0) AS moved,
               coalesce(t.basis_points, w.basis_points, $2) AS share
        FROM said d JOIN part p ON p.id = d.part_id CROSS JOIN sheet c LEFT JOIN stands s ON s.part_id = d.part_id
        LEFT JOIN since v ON v.part_id = d.part_id
        LEFT JOIN count_tolerance t ON t.company_id = c.holder_id AND t.class_code = p.class_code
        LEFT JOIN count_tolerance w ON w.company_id = c.holder_id AND w.class_code = ''
        ORDER BY p.number_norm, p.id
        """,
        sheet_id, DEFAULT_TOLERANCE,
    )  # fmt: skip
    return [
        Variance(
            r["part_id"], r["number"], r["description"], r["uom"], r["round"], r["counted"], max(r["expected"], 0), r["moved"],
            tolerance(max(r["expected"], 0), r["share"]), r["counted_at"], r["encumbered"], frozenset(r["seen"] or ()),
        )
        for r in rows
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class ResultRow:
    """What came of a part when its sheet was confirmed."""

    part_id: UUID
    number: str
    description: str
    round: int
    counted_at: datetime
    expected: int
    counted: int
    moved_since: int
    tolerated: int
    adjusted: int
    withdrawn: int
    put_right: int
    words: str


async def results(session: AsyncSession, sheet_id: UUID) -> Sequence[ResultRow]:
    """What came of a confirmed sheet, by part number."""
    rows = await fetch(
        session,
        "SELECT y.part_id, p.number, p.description, y.round, y.counted_at, y.expected, y.counted, y.moved_since, y.tolerated, y.adjusted, "
        "y.withdrawn, y.put_right, y.words FROM count_result y JOIN part p ON p.id = y.part_id WHERE y.sheet_id = $1 "
        "ORDER BY p.number_norm, p.id",
        sheet_id,
    )
    return [ResultRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A lot with a serial number, as far as the holder sees it. ``here``: it stands at the sheet's place."""

    lot_id: UUID
    part_id: UUID
    serial: str
    here: bool


async def by_serials(
    session: AsyncSession, holder_id: UUID, site_id: UUID, serials: Sequence[str]
) -> Sequence[Candidate]:
    """Lots with these serial numbers that the holder may see; those that stand here before the others."""
    rows = await fetch(
        session,
        "SELECT l.lot_id, l.part_id, l.serial, EXISTS (SELECT FROM position p WHERE p.lot_id = l.lot_id AND p.holder_id = $1 "
        "AND p.site_id = $2 AND p.quantity > 0) AS here FROM lot l WHERE upper(l.serial) = ANY($3::text[]) AND l.serial IS NOT NULL "
        "ORDER BY 4 DESC, l.lot_id",
        holder_id, site_id, sorted({s.upper() for s in serials}),
    )  # fmt: skip
    return [Candidate(**dict(r)) for r in rows]


async def rounds(session: AsyncSession, sheet_id: UUID) -> dict[UUID, int]:
    """Which round of counting a part is in, of those that are counted once more."""
    rows = await fetch(
        session,
        "SELECT part_id, 1 + count(*)::int AS round FROM count_recount WHERE sheet_id = $1 GROUP BY part_id",
        sheet_id,
    )
    return {r["part_id"]: r["round"] for r in rows}


async def serials_read(session: AsyncSession, sheet_id: UUID) -> set[tuple[str, int]]:
    """Serial numbers, in capitals, that were read in which round."""
    rows = await fetch(
        session,
        f"SELECT upper(e.serial) AS serial, e.round FROM count_entry e WHERE e.sheet_id = $1 AND e.serial IS NOT NULL AND {STANDS}",
        sheet_id,
    )
    return {(r["serial"], r["round"]) for r in rows}


async def was_read(session: AsyncSession, sheet_id: UUID, lot_id: UUID) -> bool:
    """Whether a unit itself was read on a sheet."""
    return bool(
        await fetch_value(
            session,
            f"SELECT EXISTS (SELECT FROM count_entry e WHERE e.sheet_id = $1 AND e.lot_id = $2 AND {STANDS})",
            sheet_id, lot_id,
        )
    )  # fmt: skip


async def tolerances(session: AsyncSession, company_id: UUID) -> dict[str, int]:
    """The company's tolerances in basis points by class; '' stands for all others."""
    rows = await fetch(
        session,
        "SELECT class_code, basis_points FROM count_tolerance WHERE company_id = $1 ORDER BY class_code",
        company_id,
    )
    return {r["class_code"]: r["basis_points"] for r in rows}
