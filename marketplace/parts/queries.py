"""Reads of the catalogue. No tenant: these tables carry no row level security, so that search keeps its indexes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import driver, fetch, fetch_one
from marketplace.kit.errors import missing
from marketplace.parts.numbers import (
    MINIMUM_FUZZY,
    MINIMUM_PREFIX,
    MINIMUM_SUBSTRING,
    Asked,
    Match,
    after_prefix,
    between_blanks,
    refuse_too_many,
)

PER_NUMBER = 20
"""Parts shown for one number that is not exact; when there are more, the result says so."""


class PartRow(NamedTuple):
    """A catalogue part."""

    id: UUID
    maker_id: UUID
    maker_code: str
    maker: str
    maker_company_id: UUID | None
    number: str
    description: str
    class_code: str | None
    class_name: str | None
    uom: str
    uom_name: str
    weight_grams: int | None
    list_price: Decimal | None
    currency: str | None


class Hit(NamedTuple):
    """One part found for one number asked: by which step, through which written form, and how close (fuzzy only,
    0 to 1)."""

    asked: str
    step: Match
    part_id: UUID
    through: str
    closeness: float


@dataclass(frozen=True, slots=True)
class Found:
    """What a lookup of many numbers gave: hits by normalised number, and which of them have more than shown."""

    hits: dict[str, tuple[Hit, ...]]
    more: frozenset[str]


_PART = """
SELECT p.id, p.maker_id, m.code AS maker_code, m.name AS maker, m.company_id AS maker_company_id, p.number,
       p.description, p.class_code, c.name AS class_name, p.uom, u.name AS uom_name, p.weight_grams, p.list_price,
       p.currency
FROM part p JOIN maker m ON m.id = p.maker_id JOIN unit_of_measure u ON u.code = p.uom
LEFT JOIN part_class c ON c.code = p.class_code
"""


async def parts(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, PartRow]:
    """Parts by id."""
    rows = await fetch(session, _PART + "WHERE p.id = ANY($1::uuid[])", list(ids))
    return {r["id"]: PartRow._make(r) for r in rows}


async def part(session: AsyncSession, part_id: UUID) -> PartRow:
    """One part. Raises ``part.not_found``."""
    row = await fetch_one(session, _PART + "WHERE p.id = $1", part_id)
    if row is None:
        raise missing("part.not_found", "No such part.")
    return PartRow._make(row)


_EXACT = """
SELECT a.norm AS asked, n.part_id, min(n.number) AS through, 1.0::real AS closeness
FROM unnest($1::text[]) AS a (norm) JOIN part_number n ON n.number_norm = a.norm COLLATE "C"
GROUP BY a.norm, n.part_id
"""
_PREFIX = """
SELECT a.norm AS asked, f.part_id, f.through, 1.0::real AS closeness
FROM unnest($1::text[], $2::text[]) AS a (norm, stop)
CROSS JOIN LATERAL (
    SELECT n.part_id, min(n.number) AS through FROM (
        SELECT part_id, number, number_norm FROM part_number
        WHERE number_norm >= a.norm COLLATE "C" AND number_norm < a.stop COLLATE "C"
        ORDER BY number_norm, part_id LIMIT 4 * $3
    ) n GROUP BY n.part_id ORDER BY min(n.number_norm), n.part_id LIMIT $3
) f
"""
_SUBSTRING = """
SELECT a.norm AS asked, f.part_id, f.through, 1.0::real AS closeness
FROM unnest($1::text[]) AS a (norm)
CROSS JOIN LATERAL (
    SELECT n.part_id, min(n.number) AS through FROM (
        SELECT part_id, number FROM part_number WHERE number_norm LIKE '%' || a.norm || '%' LIMIT 4 * $2
    ) n GROUP BY n.part_id ORDER BY min(n.number), n.part_id LIMIT $2
) f
"""
# One slip leaves one half of a number right: candidates begin with its first half or end with its second (read
# backwards, that is a beginning too), both from an index. So many of each half are looked at, in number order.
HALF_LIMIT = 400
_HALVES = """
SELECT a.norm AS asked, f.part_id, f.through, f.closeness
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) AS a (norm, head, head_stop, tail, tail_stop)
CROSS JOIN LATERAL (
    SELECT n.part_id, min(n.number) AS through, max(n.closeness) AS closeness FROM (
        SELECT c.part_id, c.number, c.number_norm, similarity(c.number_norm, a.norm) AS closeness FROM (
            (SELECT part_id, number, number_norm FROM part_number
             WHERE number_norm >= a.head COLLATE "C" AND number_norm < a.head_stop COLLATE "C"
             ORDER BY number_norm LIMIT $7)
            UNION
            (SELECT part_id, number, number_norm FROM part_number
             WHERE reverse(number_norm) >= a.tail COLLATE "C"
               AND reverse(number_norm) < a.tail_stop COLLATE "C"
             ORDER BY reverse(number_norm) LIMIT $7)
        ) c WHERE length(c.number_norm) BETWEEN length(a.norm) - 2 AND length(a.norm) + 2
              AND similarity(c.number_norm, a.norm) >= $8
        ORDER BY closeness DESC, c.number_norm LIMIT 4 * $6
    ) n GROUP BY n.part_id ORDER BY max(n.closeness) DESC, min(n.number), n.part_id LIMIT $6
) f
"""
# Where neither half is right (two slips): candidates share at least one long piece with what was written; the trigram similarity then orders the few.
_FUZZY = """
SELECT a.norm AS asked, f.part_id, f.through, f.closeness
FROM unnest($1::text[]) AS a (norm)
CROSS JOIN LATERAL (
    SELECT n.part_id, min(n.number) AS through, max(n.closeness) AS closeness FROM (
        SELECT part_id, number, similarity(number_norm, a.norm) AS closeness FROM part_number
        WHERE number_norm % a.norm AND length(number_norm) BETWEEN length(a.norm) - 2 AND length(a.norm) + 2
        ORDER BY closeness DESC, number_norm LIMIT 4 * $2
    ) n GROUP BY n.part_id ORDER BY max(n.closeness) DESC, min(n.number), n.part_id LIMIT $2
) f
"""
FUZZY_THRESHOLD = 0.45


async def find_exactly(session: AsyncSession, asked: Sequence[Asked]) -> dict[str, tuple[UUID, ...]]:
    """The parts of these numbers, by normalised number, without looking for similar ones: what was scanned was not mistyped."""
    connection = await driver(session)
    found: dict[str, list[UUID]] = {}
    for r in await connection.fetch(_EXACT, [a.norm for a in asked]):
        found.setdefault(r["asked"], []).append(r["part_id"])
    return {norm: tuple(sorted(ids)) for norm, ids in found.items()}


async def find_exact(session: AsyncSession, norms: Sequence[str]) -> set[UUID]:
    """The parts that have exactly one of these normalised numbers; one statement."""
    return {r["part_id"] for r in await (await driver(session)).fetch(_EXACT, list(norms))}


async def find(session: AsyncSession, asked: Sequence[Asked], *, per_number: int = PER_NUMBER) -> Found:
    """Parts for each number asked: exact, else prefix, else substring, else fuzzy. At most six statements for
    any number of numbers; each step looks only at the numbers the steps before did not find."""
    hits: dict[str, tuple[Hit, ...]] = {}
    more: set[str] = set()
    left = [a.norm for a in asked]
    limit = per_number + 1
    connection = await driver(session)

    def keep(step: Match, rows: Iterable[dict[str, object]]) -> None:
        by_number: dict[str, list[Hit]] = {}
        for r in rows:
            by_number.setdefault(str(r["asked"]), []).append(
                Hit(str(r["asked"]), step, r["part_id"], str(r["through"]), float(r["closeness"]))  # type: ignore[arg-type]
            )
        for norm, found in by_number.items():
            if len(found) > per_number and step is not Match.EXACT:
                more.add(norm)
            hits[norm] = tuple(found if step is Match.EXACT else found[:per_number])

    keep(Match.EXACT, await connection.fetch(_EXACT, left))
    left = [n for n in left if n not in hits]
    wanted = [n for n in left if len(n) >= MINIMUM_PREFIX]
    if wanted:
        keep(Match.PREFIX, await connection.fetch(_PREFIX, wanted, [after_prefix(n) for n in wanted], limit))
    wanted = [n for n in left if n not in hits and len(n) >= MINIMUM_SUBSTRING]
    if wanted:
        keep(Match.SUBSTRING, await connection.fetch(_SUBSTRING, wanted, limit))
    wanted = [n for n in left if n not in hits and len(n) >= MINIMUM_FUZZY]
    if wanted:
        heads = [n[: len(n) // 2] for n in wanted]
        tails = [n[len(n) // 2 :][::-1] for n in wanted]
        rows = await connection.fetch(
            _HALVES, wanted, heads, [after_prefix(h) for h in heads], tails, [after_prefix(t) for t in tails], limit,
            HALF_LIMIT, FUZZY_THRESHOLD,
        )  # fmt: skip
        keep(Match.FUZZY, rows)
    wanted = [n for n in wanted if n not in hits]
    if wanted:
        await connection.execute(f"SET LOCAL pg_trgm.similarity_threshold = {FUZZY_THRESHOLD}")
        keep(Match.FUZZY, await connection.fetch(_FUZZY, wanted, limit))
    return Found(hits, frozenset(more))


async def told_apart(session: AsyncSession, asked: Sequence[Asked], *, field: str = "q") -> tuple[Asked, ...]:
    """The numbers asked for, where a line that is no known number but only known ones between blanks is those. At most
    one statement, none where no line holds blanks. Raises ``parts.too_many``."""
    apart = {a.norm: pieces for a in asked if (pieces := between_blanks(a))}
    if not apart:
        return tuple(asked)
    norms = {*apart, *(piece.norm for pieces in apart.values() for piece in pieces)}
    known = {r["asked"] for r in await (await driver(session)).fetch(_EXACT, sorted(norms))}
    found: dict[str, Asked] = {}
    for a in asked:
        pieces = apart.get(a.norm, ())
        lines = pieces if a.norm not in known and pieces and all(p.norm in known for p in pieces) else (a,)
        for line in lines:
            found.setdefault(line.norm, line)
    refuse_too_many(len(found), field=field)
    return tuple(found.values())


async def find_words(session: AsyncSession, words: str, *, limit: int = 50) -> Sequence[UUID]:
    """Parts whose description holds all the words, in number order: for searches that are no part number."""
    rows = await fetch(
        session,
        "SELECT id FROM part WHERE words @@ websearch_to_tsquery('english', $1) ORDER BY number_norm, id LIMIT $2",
        words[:200],
        limit,
    )
    return [r["id"] for r in rows]


class Related(NamedTuple):
    """A part that stands in a relation to the one asked for: 'superseded_by', 'supersedes' or 'alternate'.
    ``steps``: how far along a chain; ``since``: when a supersession took or takes effect."""

    part_id: UUID
    other_id: UUID
    relation: str
    steps: int
    since: date | None


_RELATED = """
WITH RECURSIVE forward AS (
    SELECT a.id AS root, s.to_part_id AS other, 1 AS steps, s.effective_on, ARRAY[a.id, s.to_part_id] AS seen
    FROM unnest($1::uuid[]) AS a (id) JOIN supersession s ON s.from_part_id = a.id
    UNION ALL
    SELECT f.root, s.to_part_id, f.steps + 1, s.effective_on, f.seen || s.to_part_id
    FROM forward f JOIN supersession s ON s.from_part_id = f.other
    WHERE NOT s.to_part_id = ANY(f.seen) AND f.steps < 20
), backward AS (
    SELECT a.id AS root, s.from_part_id AS other, 1 AS steps, s.effective_on, ARRAY[a.id, s.from_part_id] AS seen
    FROM unnest($1::uuid[]) AS a (id) JOIN supersession s ON s.to_part_id = a.id
    UNION ALL
    SELECT b.root, s.from_part_id, b.steps + 1, s.effective_on, b.seen || s.from_part_id
    FROM backward b JOIN supersession s ON s.to_part_id = b.other
    WHERE NOT s.from_part_id = ANY(b.seen) AND b.steps < 20
)
SELECT root AS part_id, other AS other_id, 'superseded_by' AS relation, steps, effective_on AS since FROM forward
UNION ALL SELECT root, other, 'supersedes', steps, effective_on FROM backward
UNION ALL SELECT a.part_id, a.alternate_part_id, 'alternate', 1, NULL FROM alternate a WHERE a.part_id = ANY($1::uuid[])
ORDER BY 1, 3, 4, 2
"""


async def related(session: AsyncSession, ids: Iterable[UUID]) -> Sequence[Related]:
    """What replaces, is replaced by, or may stand in for these parts; one statement."""
    rows = await fetch(session, _RELATED, list(ids))
    seen: set[tuple[UUID, UUID, str]] = set()
    found = []
    for r in rows:
        key = (r["part_id"], r["other_id"], r["relation"])
        if key not in seen:
            seen.add(key)
            found.append(Related._make(r))
    return found


async def makers_of(session: AsyncSession, company_id: UUID) -> Sequence[tuple[UUID, str, str]]:
    """(id, code, name) of the makers that are this company."""
    rows = await fetch(session, "SELECT id, code, name FROM maker WHERE company_id = $1 ORDER BY code", company_id)
    return [(r["id"], r["code"], r["name"]) for r in rows]


async def supersessions_for_update(session: AsyncSession) -> Sequence[tuple[UUID, UUID, date]]:
    """Every supersession, with the table locked against other writers: a circle is found only by whoever sees
    all links. Supersessions are written by hand or import, so the lock is short and rare."""
    await fetch(session, "SELECT pg_advisory_xact_lock(hashtext('supersession'))")
    rows = await fetch(session, "SELECT from_part_id, to_part_id, effective_on FROM supersession")
    return [(r[0], r[1], r[2]) for r in rows]


async def factor(session: AsyncSession, part_id: UUID, uom: str) -> tuple[int, int] | None:
    """How many base units one ``uom`` of this part is, as a fraction; None where no factor is stated."""
    row = await fetch_one(
        session,
        "SELECT CASE WHEN p.uom = $2 THEN 1 ELSE c.numerator END AS numerator, "
        "CASE WHEN p.uom = $2 THEN 1 ELSE c.denominator END AS denominator "
        "FROM part p LEFT JOIN uom_conversion c ON c.part_id = p.id AND c.from_uom = $2 WHERE p.id = $1",
        part_id,
        uom,
    )
    return (row["numerator"], row["denominator"]) if row and row["numerator"] else None
