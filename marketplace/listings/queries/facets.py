"""How many offers each choice of a search would leave: one statement, however many offers there are and filters are in force."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import execute, fetch
from marketplace.listings.facets import COUNTED, DISTANCES, ENOUGH, NAMES, PRICES, QUANTITIES, Facets, facet
from marketplace.listings.queries.offers import OPEN, WALKED, Filters, Wanted, plan_for_values


def _band(column: str, limits: tuple[object, ...], *, above: bool = False) -> str:
    """The limit that a value falls under: the first that it does not exceed, or (``above``) the last that it reaches."""
    steps = reversed(limits) if above else iter(limits)
    compare = ">=" if above else "<="
    beyond = "1" if above else "'Infinity'"
    return f"CASE {' '.join(f'WHEN {column} {compare} {n} THEN {n}::text' for n in steps)} ELSE {beyond}::text END"


# What a row counts for, by facet.
_VALUES: Final = {
    "class": "l.class_code", "condition": "l.condition", "clause": "l.clause_key", "use": "l.use_class", "seller": "l.company_id::text",
    "maker": "l.maker_id::text", "country": "l.country", "price": "l.unit_price",
    "quantity": "l.quantity - l.ordered",
}  # fmt: skip
# The band is found once the row is read: in the row itself the price would be reckoned anew for each limit.
_BANDS: Final = {
    "price": _band("price_", PRICES), "quantity": _band("quantity_", QUANTITIES, above=True), "within": _band("within_", DISTANCES),
}  # fmt: skip
_LABELS: Final = """
SELECT 'class' AS facet, code AS value, name FROM part_class WHERE code = ANY($1::text[])
UNION ALL SELECT 'seller', id::text, name FROM company WHERE id = ANY($2::uuid[])
UNION ALL SELECT 'maker', id::text, name FROM maker WHERE id = ANY($3::uuid[])
"""


def _sets(filters: Filters, sets: dict[int, tuple[str | None, list[str]]]) -> dict[str, str]:
    """What a row counts for, of every facet of these sets: column -> SQL."""
    values = {**_VALUES, "within": filters.km or "NULL"}
    return {f"{name}_": values[name] for _, names in sets.values() for name in names}


def _counts(number: int, names: list[str], rows: str, where: str) -> str:
    """Counts the rows of a set, and by each choice of its facets, in one pass: set, facet ('' = all), value, how many."""
    columns = ", ".join(f"{_BANDS.get(n, f'{n}_')} AS {n}_" for n in names)
    if not names:
        return f"SELECT {number} AS at, '' AS facet, NULL AS value, count(*)::int AS n FROM {rows} WHERE {where}"
    every = ", ".join(f"{n}_" for n in names)
    # Of the columns that are not grouped by, each is a bit; the first is the highest.
    whole = 2 ** len(names) - 1
    which = " ".join(f"WHEN {whole - 2 ** (len(names) - 1 - i)} THEN '{n}'" for i, n in enumerate(names))
    return (
        f"SELECT {number} AS at, CASE grouping({every}) {which} ELSE '' END AS facet, coalesce({every}) AS value, count(*)::int AS n "
        f"FROM (SELECT {columns} FROM {rows} WHERE {where}) x GROUP BY GROUPING SETS ({', '.join(f'({n}_)' for n in names)}, ())"
    )


async def facets(session: AsyncSession, wanted: Wanted) -> Facets:
    """What the reader's offers can be narrowed by: three statements at most beside what they are planned by.

    First the newest ``WALKED`` offers of all are looked at; where ``ENOUGH`` of them fit, that is what is told, as the least there are.
    What fits less often is looked up by what is asked for, up to ``COUNTED``. Either way a mixture of offers is counted: in the order
    of an index all of them would be of one clause, and no other would be offered as a choice."""
    names = [n for n in NAMES if n != "within" or wanted.near]
    chosen = {n: wanted.chosen(n) for n in names if wanted.chosen(n)}
    filters = Filters(wanted)
    # With all filters in force: how many there are, and every facet of which nothing is chosen. And each chosen facet without itself.
    sets: dict[int, tuple[str | None, list[str]]] = {0: (None, [n for n in names if n not in chosen])}
    sets |= {k: (n, [n]) for k, n in enumerate(chosen, 1)}
    counts: dict[str, dict[str, int]] = {n: {} for n in names}
    sizes: dict[int, int] = {}
    looked = 0

    def take(rows: Sequence[asyncpg.Record]) -> None:
        for r in rows:
            if not r["facet"]:
                sizes[r["at"]] = r["n"]
            # A listing under several clauses counts for each.
            for value in (r["value"] or "").split("+") if r["facet"] == "clause" else [r["value"]]:
                if r["facet"] and value:
                    counts[r["facet"]][value] = counts[r["facet"]].get(value, 0) + r["n"]

    await plan_for_values(session)
    if filters.scattered:
        looked = WALKED
        columns = ", ".join(f"{sql} AS {name}" for name, sql in _sets(filters, sets).items())
        fits = ", ".join(f"({filters.where(but)}) AS fits{k}" for k, (but, _) in sets.items())
        walk = (
            f"SELECT {columns}, {fits} FROM listing_seen l WHERE {' AND '.join(OPEN)} ORDER BY l.id DESC LIMIT {WALKED}"
        )
        told = [_counts(k, some, "walk", f"fits{k}") for k, (_, some) in sets.items()]
        told.append("SELECT -1, '', NULL, count(*)::int FROM walk")
        take(await fetch(session, f"WITH walk AS MATERIALIZED ({walk}) {' UNION ALL '.join(told)}", *filters.values))
        looked = sizes.pop(-1)
    rare = {k: s for k, s in sets.items() if not filters.scattered or (looked == WALKED and sizes[k] < ENOUGH)}
    if rare:
        for _, some in rare.values():
            counts |= {n: {} for n in some}
        rows, told = [], []
        for k, (but, some) in rare.items():
            columns = ", ".join(f"{sql} AS {name}" for name, sql in _sets(filters, {k: (but, some)}).items()) or "1"
            rows.append(
                f"s{k} AS MATERIALIZED (SELECT {columns} FROM listing_seen l WHERE {filters.where(but)} LIMIT {COUNTED + 1})"
            )
            told.append(_counts(k, some, f"s{k}", "true"))
        # Of listed parts few rows are read: in whichever order.
        if filters.scattered:
            await execute(session, "SELECT set_config('enable_indexscan', 'off', true)")
        take(await fetch(session, f"WITH {', '.join(rows)} {' UNION ALL '.join(told)}", *filters.values))
        if filters.scattered:
            await execute(session, "SELECT set_config('enable_indexscan', 'on', true)")
    every = {n: sorted({*counts[n], *chosen.get(n, ())}) for n in ("class", "seller", "maker")}
    labels: dict[str, dict[str, str]] = {n: {} for n in names}
    for r in await fetch(session, _LABELS, every["class"], every["seller"], every["maker"]):
        labels[r["facet"]][r["value"]] = r["name"]
    # Of everything there is on offer nothing is left to count; of a set that was cut off what is said is the least.
    cut = {k: n > COUNTED if k in rare else looked == WALKED for k, n in sizes.items()}
    of = {name: k for k, (_, some) in sets.items() for name in some}
    return Facets(
        min(sizes[0], COUNTED) if 0 in rare else sizes[0], cut[0],
        tuple(facet(n, counts[n], labels[n], chosen.get(n, ()), at_least=cut[of[n]]) for n in names),
    )  # fmt: skip
