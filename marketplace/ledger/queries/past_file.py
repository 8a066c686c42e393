"""Where every unit sat as one file, written by PostgreSQL while it reads: no row of it passes through Python.

Only for readers to whom nothing is hidden: who is named to the others is decided row by row (``told_place``), and they get
their file page by page.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from marketplace.db.session import Database, Tenant
from marketplace.kit.exports import csv_rows, csv_start
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.ledger.queries.past import Arguments, AsOf, AsOfRow, Scope, as_of, every_line, later_are_fewer
from marketplace.parties.actor import Actor

HEADER: Final = (
    "Part number", "Serial", "Batch", "Quantity", "Unit", "Held by", "Place", "Condition", "Owned by", "Agreement", "Lot",
)  # fmt: skip
AT_A_TIME: Final = 2_000
_CONDITION: Final = " ".join(f"WHEN '{code}' THEN '{words}'" for code, words in CONDITION_WORDS.items())


def safe_text(column: str) -> str:
    """``kit.exports.safe_cell`` of a column, in SQL (a test holds them together)."""
    starts = r"E'=+-@\t\r\n|\uFF1D\uFF0B\uFF0D\uFF20'"
    first = rf"left(ltrim({column}, E' \u00a0'), 1)"
    # Cheap for the many that begin like no formula.
    return (
        f"CASE WHEN {first} <> '' AND strpos({starts}, {first}) > 0 AND {column} !~ '^[+-]?[0-9]+([.,][0-9]+)*$' "
        f"THEN chr(39) || {column} ELSE {column} END"
    )


def cells(row: AsOfRow) -> tuple[object, ...]:
    """A row as it stands in the file."""
    return (
        row.part_number, row.serial, row.batch, row.quantity, row.uom, row.holder, row.site or "in transit",
        CONDITION_WORDS[row.condition], row.owner, row.agreement_id, row.lot_id,
    )  # fmt: skip


async def as_of_file(
    database: Database, tenant: Tenant, reader: Actor, then: AsOf, scope: Scope
) -> AsyncIterator[bytes]:
    """The file, piece by piece, in sessions of its own. Of everything its lines come in no order."""
    if reader.masked:
        yield csv_start(HEADER).encode()
        after = None
        while True:
            async with database.read(tenant) as session:
                rows = await as_of(session, reader, then, scope, limit=AT_A_TIME, after=after)
            yield csv_rows(cells(r) for r in rows).encode()
            if len(rows) < AT_A_TIME:
                return
            after = rows[-1].lot_id, rows[-1].position_id
    given, back = Arguments(), False
    if scope.everything:
        async with database.read(tenant) as session:
            back = await later_are_fewer(session, then)
    found = every_line(reader, then, scope, given, back=back)
    me = given.put(reader.company_id)
    sql = f"""
        WITH c AS MATERIALIZED (SELECT id, {safe_text("name")} AS name FROM company),
        s AS MATERIALIZED (SELECT id, {safe_text("name")} AS name FROM site)
        SELECT {safe_text("pt.number")}, {safe_text("l.serial")}, {safe_text("l.batch")}, x.counted, l.uom, h.name,
               coalesce(s.name, 'in transit'), CASE x.condition {_CONDITION} END, o.name,
               CASE WHEN {me}::uuid IN (x.owner_id, x.holder_id, x.beneficiary_id) THEN x.agreement_id END, x.lot_id
        FROM ({found}) x
        JOIN lot l ON l.lot_id = x.lot_id
        JOIN part pt ON pt.id = x.part_id
        JOIN c o ON o.id = x.owner_id JOIN c h ON h.id = x.holder_id
        LEFT JOIN s ON s.id = x.site_id
        {"" if scope.everything else "ORDER BY x.lot_id, x.position_id"}
    """
    header = csv_start(HEADER).encode()
    async for piece in database.copied(tenant, sql, *given, header=header, whole=scope.everything):
        yield piece
