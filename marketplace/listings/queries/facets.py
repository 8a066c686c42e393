"""How many offers each choice of a search would leave: one statement, however many offers there are and filters are in force."""

from __future__ import annotations

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch
from marketplace.listings.facets import COUNTED, DISTANCES, NAMES, PRICES, QUANTITIES, Facets, facet
from marketplace.listings.queries.offers import Filters, Wanted, plan_for_values


def _band(column: str, limits: tuple[object, ...], *, above: bool = False) -> str:
    """The limit that a value falls under: the first that it does not exceed, or (``above``) the last that it reaches."""
    steps = reversed(limits) if above else iter(limits)
    compare = ">=" if above else "<="
    beyond = "1" if above else "'Infinity'"
    return f"CASE {' '.join(f'WHEN {column} {compare} {n} THEN {n}::text' for n in steps)} ELSE {beyond}::text END"


# What a row counts for, by facet; a listing under several clauses counts for each.
_VALUES: Final = {
    "class": "l.class_code", "condition": "l.condition", "clause": "l.clauses", "use": "l.use_class", "seller": "l.company_id::text",
    "maker": "l.maker_id::text", "country": "l.country", "price": _band("l.unit_price", PRICES),
    "quantity": _band("(l.quantity - l.ordered)", QUANTITIES, above=True),
}  # fmt: skip
_LABELS: Final = """
SELECT 'class' AS facet, code AS value, name FROM part_class WHERE code = ANY($1::text[])
UNION ALL SELECT 'seller', id::text, name FROM company WHERE id = ANY($2::uuid[])
UNION ALL SELECT 'maker', id::text, name FROM maker WHERE id = ANY($3::uuid[])
"""


def _set(filters: Filters, number: int, names: list[str], but: str | None) -> str:
    """One set of rows: all filters but one in force, and what they count for."""
    values = {**_VALUES, "within": f"CASE WHEN {filters.km} IS NOT NULL THEN {_band(filters.km or '', DISTANCES)} END"}
    columns = ", ".join(f"{values[n]} AS {n}_" for n in names)
    return f"s{number} AS MATERIALIZED (SELECT {columns} FROM listing_seen l WHERE {filters.where(but)} LIMIT {COUNTED + 1})"


async def facets(session: AsyncSession, wanted: Wanted) -> Facets:
    """What the reader's offers can be narrowed by. Of each set ``COUNTED`` are counted; two statements."""
    names = [n for n in NAMES if n != "within" or wanted.near]
    chosen = {n: wanted.chosen(n) for n in names if wanted.chosen(n)}
    free = [n for n in names if n not in chosen]
    # With all filters in force: how many there are, and every facet of which nothing is chosen.
    filters = Filters(wanted)
    sets = [_set(filters, 0, free or ["condition"], None), *(_set(filters, k, [n], n) for k, n in enumerate(chosen, 1))]
    parts = ["SELECT '' AS facet, NULL AS value, count(*)::int AS n FROM s0"]
    told = [(0, n) for n in free] + list(enumerate(chosen, 1))
    for number, name in told:
        value, rows_of = (f"{name}_", f"s{number}") if name != "clause" else ("v", f"s{number}, unnest(clause_) v")
        parts.append(f"SELECT '{name}', {value}, count(*)::int FROM {rows_of} WHERE {value} <> '' GROUP BY {value}")
    parts += [f"SELECT '{n}', NULL, count(*)::int FROM s{k}" for k, n in enumerate(chosen, 1)]
    await plan_for_values(session)
    rows = await fetch(session, f"WITH {', '.join(sets)} {' UNION ALL '.join(parts)}", *filters.values)
    counts: dict[str, dict[str, int]] = {n: {} for n in names}
    sizes: dict[str, int] = {}
    for r in rows:
        if r["value"] is None:
            sizes[r["facet"]] = r["n"]
        else:
            counts[r["facet"]][r["value"]] = r["n"]
    every = {n: sorted({*counts[n], *chosen.get(n, ())}) for n in ("class", "seller", "maker")}
    labels: dict[str, dict[str, str]] = {n: {} for n in names}
    for r in await fetch(session, _LABELS, every["class"], every["seller"], every["maker"]):
        labels[r["facet"]][r["value"]] = r["name"]
    found = sizes[""]
    return Facets(
        min(found, COUNTED), found > COUNTED,
        tuple(
            facet(n, counts[n], labels[n], chosen.get(n, ()), at_least=sizes.get(n, found) > COUNTED)
            for n in names
        ),
    )  # fmt: skip
