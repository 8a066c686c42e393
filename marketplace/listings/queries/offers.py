"""Listings as partners see them: what is on offer, filtered, sorted and paged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, execute, fetch, fetch_one
from marketplace.kit.errors import missing
from marketplace.listings.facets import clause_keys


@dataclass(frozen=True, slots=True)
class ListingRow:
    """A listing with its part, seller and clause; ``available`` = offered and not ordered."""

    id: UUID
    release_id: UUID
    release_reference: str
    seller_id: UUID
    seller: str
    part_id: UUID
    part_number: str
    description: str
    maker: str
    class_code: str | None
    uom: str
    site_id: UUID
    place: str
    region: str
    country: str
    lat: float | None
    lon: float | None
    condition: str
    quantity: int
    ordered: int
    available: int
    unit_price: Decimal
    currency: str
    minimum_quantity: int
    package_quantity: int
    minimum_to_keep: int
    published: bool
    published_at: datetime | None
    clause: str
    version: int
    terms: dict[str, Any]
    further: list[dict[str, Any]]
    use_class: str
    payment_days: int
    list_price: Decimal | None
    posted_price: Decimal
    """The price without what the reader in particular is granted."""
    controlled: bool
    """Only partners that the seller has cleared see it."""
    distance_km: float | None = None
    """By road from where the reader asked from; None where either place is unknown or nobody asked."""


_LISTING_COLUMNS = """
SELECT l.id, l.release_id, r.reference AS release_reference, l.company_id AS seller_id, c.name AS seller, l.part_id,
       p.number AS part_number, p.description, m.name AS maker, p.class_code, p.uom, l.site_id, l.place, l.region,
       l.country, l.lat, l.lon, l.condition, l.quantity, l.ordered, l.quantity - l.ordered AS available, l.unit_price,
       r.currency, l.minimum_quantity, l.package_quantity, l.minimum_to_keep, l.published, r.published_at, r.clause,
       r.version, r.terms, r.further, r.use_class, r.payment_days, p.list_price, l.{posted} AS posted_price, l.controlled"""
# What a reader sees, at its price: the view says which listings and which price (and row level security the same once more).
_SEEN_COLUMNS = _LISTING_COLUMNS.format(posted="posted_price")
_LISTING_FROM = """
FROM {listing} l JOIN release r ON r.id = l.release_id JOIN part p ON p.id = l.part_id JOIN maker m ON m.id = p.maker_id
JOIN company c ON c.id = l.company_id
"""
_SEEN_FROM = _LISTING_FROM.format(listing="listing_seen")
_LISTING = _SEEN_COLUMNS + _SEEN_FROM
# The seller's own, for whoever acts for it: at the posted price.
_OWN_LISTING = _LISTING_COLUMNS.format(posted="unit_price") + _LISTING_FROM.format(listing="listing")
# Great circle (12,742 km = the earth's diameter) times 1.2 for roads: the figure that plans use too. $1, $2: from where.
_WITH_DISTANCE = (
    _SEEN_COLUMNS
    + ", d.km AS distance_km"
    + _SEEN_FROM
    + """CROSS JOIN LATERAL (SELECT 1.2 * 12742 * asin(least(1, sqrt(
    power(sin(radians(l.lat - $1::float8) / 2), 2)
    + cos(radians($1)) * cos(radians(l.lat)) * power(sin(radians(l.lon - $2::float8) / 2), 2)))) AS km) d
"""
)


async def listing(session: AsyncSession, listing_id: UUID) -> ListingRow:
    """One visible listing. Raises ``listing.not_found``."""
    row = await fetch_one(session, _LISTING + "WHERE l.id = $1", listing_id)
    if row is None:
        raise missing("listing.not_found", "No such listing. It may have been withdrawn or offered to others.")
    return ListingRow(**dict(row))


async def listings(session: AsyncSession, ids: Sequence[UUID]) -> Sequence[ListingRow]:
    """Visible listings in the order of ``ids``; one statement. Raises ``listing.not_found`` when one is missing."""
    found = {
        r["id"]: ListingRow(**dict(r)) for r in await fetch(session, _LISTING + "WHERE l.id = ANY($1::uuid[])", ids)
    }
    if not found.keys() >= set(ids):
        raise missing("listing.not_found", "No such listing. It may have been withdrawn or offered to others.")
    return [found[i] for i in ids]


async def seen(
    session: AsyncSession, ids: Sequence[UUID], *, near: tuple[float, float] | None = None
) -> Sequence[ListingRow]:
    """Those of these listings that the reader sees and that are out, in the order of ``ids``; one statement."""
    rows = await fetch(
        session, _WITH_DISTANCE + "WHERE l.published AND l.id = ANY($3::uuid[])", *(near or (None, None)), list(ids)
    )
    found = {r["id"]: ListingRow(**dict(r)) for r in rows}
    return [found[i] for i in ids if i in found]


async def lines(session: AsyncSession, release_id: UUID, *, limit: int = 1000) -> Sequence[ListingRow]:
    """The lines of one release by part number."""
    rows = await fetch(
        session, _LISTING + "WHERE l.release_id = $1 ORDER BY p.number_norm, l.id LIMIT $2", release_id, limit
    )
    return [ListingRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which open listings; an empty tuple or None = any, several values of one kind = either. ``near``: latitude and longitude that
    distances count from; ``within_km`` needs it. ``words``: all of them in the description."""

    classes: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    sellers: tuple[UUID, ...] = ()
    makers: tuple[UUID, ...] = ()
    countries: tuple[str, ...] = ()
    maximum_price: Decimal | None = None
    minimum_quantity: int | None = None
    near: tuple[float, float] | None = None
    within_km: int | None = None
    words: str | None = None
    part_ids: tuple[UUID, ...] | None = None

    def chosen(self, facet: str) -> tuple[str, ...]:
        """What of a facet is in force, as text."""
        found: tuple[object, ...] = {
            "class": self.classes, "condition": self.conditions, "clause": self.clauses, "use": self.uses,
            "seller": self.sellers, "maker": self.makers, "country": self.countries,
            "price": () if self.maximum_price is None else (self.maximum_price,),
            "quantity": () if self.minimum_quantity is None else (self.minimum_quantity,),
            "within": () if self.within_km is None else (self.within_km,),
        }[facet]  # fmt: skip
        return tuple(str(value) for value in found)


OPEN: Final = ("l.published", "l.ordered < l.quantity")
# Great circle (12,742 km = the earth's diameter) times 1.2 for roads: the figure that plans use too.
KM: Final = (
    "(1.2 * 12742 * asin(least(1, sqrt(power(sin(radians(l.lat - {lat}::float8) / 2), 2) + cos(radians({lat}::float8)) "
    "* cos(radians(l.lat)) * power(sin(radians(l.lon - {lon}::float8) / 2), 2)))))"
)


class Filters:
    """The filters in force as SQL over ``listing_seen l``, each under the name of its facet, so that a facet can be counted without its
    own. Only what is in force stands there: a plan then knows what it can look up."""

    def __init__(self, wanted: Wanted) -> None:
        self.values: list[object] = []
        self._parts = wanted.part_ids is not None
        self.km: str | None = None
        """Kilometres by road from where distances count from."""
        if wanted.near:
            self.km = KM.format(lat=self._value(wanted.near[0]), lon=self._value(wanted.near[1]))
        self.always = [*OPEN]
        if wanted.words is not None:
            self.always.append(
                "EXISTS (SELECT FROM part p WHERE p.id = l.part_id AND p.words @@ websearch_to_tsquery('english', "
                f"{self._value(wanted.words)}::text))"
            )
        if wanted.part_ids is not None:
            self.always.append(f"l.part_id = ANY({self._value(list(wanted.part_ids))}::uuid[])")
        self.by_facet: dict[str, str] = {}
        for name, column, kind, values in (
            ("class", "l.class_code", "text", wanted.classes), ("condition", "l.condition", "text", wanted.conditions),
            ("use", "l.use_class", "text", wanted.uses), ("seller", "l.company_id", "uuid", wanted.sellers),
            ("maker", "l.maker_id", "uuid", wanted.makers), ("country", "l.country", "text", wanted.countries),
        ):  # fmt: skip
            if values:
                self.by_facet[name] = f"{column} = ANY({self._value(list(values))}::{kind}[])"
        if wanted.clauses:
            # One text for the set of clauses: comparing lists is nothing that row level security lets into an index.
            self.by_facet["clause"] = f"l.clause_key = ANY({self._value(clause_keys(wanted.clauses))}::text[])"
        if wanted.maximum_price is not None:
            self.by_facet["price"] = f"l.unit_price <= {self._value(wanted.maximum_price)}::numeric"
        if wanted.minimum_quantity is not None:
            self.by_facet["quantity"] = f"l.quantity - l.ordered >= {self._value(wanted.minimum_quantity)}::int"
        if wanted.within_km is not None and self.km:
            self.by_facet["within"] = f"{self.km} <= {self._value(wanted.within_km)}::int"

    @property
    def scattered(self) -> bool:
        """Whether what fits may be found anywhere: no list of parts is asked for."""
        return not self._parts

    def _value(self, value: object) -> str:
        self.values.append(value)
        return f"${len(self.values)}"

    def where(self, but: str | None = None) -> str:
        """All of them, or all but one facet's."""
        return " AND ".join([*self.always, *(sql for name, sql in self.by_facet.items() if name != but)])

    def also(self, *values: object) -> list[object]:
        """The parameters, and more behind them."""
        return [*self.values, *values]


WALKED: Final = 5_000
"""So many of the newest listings are looked at one by one before those that fit are looked up by what is asked for."""


def _newest(filters: Filters, after: str | None, limit: str) -> str:
    """Rows of the list of the newest. Where much fits, a page of it stands among the newest of all; where little does, an index knows
    all that fits. Which of both it is nobody knows beforehand, so a bounded walk comes first, and the rest is only asked for where the
    walk did not fill the page: a walk without a bound went through a million rows to find that nothing fits."""
    open_ = " AND ".join([*OPEN, *([f"l.id < {after}::uuid"] if after else [])])
    # Not an index condition: beside what is asked for, all older listings would be read from an index too.
    older = f" AND (l.id < {after}::uuid) IS TRUE" if after else ""
    km = filters.km or "NULL::float8"
    return (
        f"WITH walk AS MATERIALIZED (SELECT l.id, ({filters.where()}) AS fits FROM listing_seen l WHERE {open_} "
        f"ORDER BY l.id DESC LIMIT {WALKED}), "
        f"near AS MATERIALIZED (SELECT id FROM walk WHERE fits ORDER BY id DESC LIMIT {limit}), "
        f"short AS MATERIALIZED (SELECT (SELECT count(*) FROM walk) = {WALKED} AND (SELECT count(*) FROM near) < {limit} AS yes), "
        f"far AS MATERIALIZED (SELECT l.id FROM listing_seen l WHERE {filters.where()}{older} AND (SELECT yes FROM short)), "
        f"page AS MATERIALIZED (SELECT l.*, {km} AS km FROM listing_seen l WHERE {' AND '.join(OPEN)} AND l.id = ANY (ARRAY("
        f"SELECT id FROM (SELECT id FROM near WHERE NOT (SELECT yes FROM short) UNION ALL TABLE far) x ORDER BY id DESC LIMIT {limit}))) "
        + _SEEN_COLUMNS
        + ", l.km AS distance_km"
        + _LISTING_FROM.format(listing="page")
        + "ORDER BY l.id DESC"
    )


def _listed(filters: Filters, where: str, order: str, limit: str) -> str:
    """Rows of a list: the page is chosen before anything is joined to it."""
    km = filters.km or "NULL::float8"
    return (
        f"WITH page AS MATERIALIZED (SELECT l.*, {km} AS km FROM listing_seen l WHERE {where} ORDER BY {order} LIMIT {limit}) "
        + _SEEN_COLUMNS
        + ", l.km AS distance_km"
        + _LISTING_FROM.format(listing="page")
        + f"ORDER BY {order}"
    )


async def plan_for_values(session: AsyncSession) -> None:
    """For the rest of this transaction each statement is planned for its own values: what a filter leaves differs a thousandfold. None is
    compiled or spread over workers: a page of some hundred rows is read before either has begun to pay."""
    await execute(
        session,
        "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true), "
        "set_config('max_parallel_workers_per_gather', '0', true)",
    )


async def offers(session: AsyncSession, wanted: Wanted, *, limit: int = 2000) -> Sequence[ListingRow]:
    """What is on offer of ``wanted.part_ids``, cheapest first per part; one statement for any number of parts. A
    caller that must know whether there is more asks for one more than it shows."""
    filters = Filters(wanted)
    sql = _listed(filters, filters.where(), "l.part_id, l.unit_price, l.id", f"${len(filters.values) + 1}")
    return [ListingRow(**dict(r)) for r in await fetch(session, sql, *filters.also(limit))]


FAR = 1e9
"""Stands for an unknown distance, so that it sorts last."""
# sort -> (what the rows are sorted by, its type, direction)
_SORTS: dict[str, tuple[str, str, str]] = {
    "newest": ("l.id", "uuid", "DESC"),
    "price": ("l.unit_price", "numeric", "ASC"),
    "-price": ("l.unit_price", "numeric", "DESC"),
    "distance": (f"coalesce({{km}}, {FAR})", "float8", "ASC"),
}
SORTS = frozenset(_SORTS)


def _number(text: object) -> str:
    """The text of a number as it is: a price keeps its digits. Raises ValueError for anything else."""
    float(str(text))
    return str(text)


def browse_kinds(sort: str) -> tuple[Callable[[str], Any], Callable[[str], Any]]:
    """What the parts of a ``browse_key`` are read as."""
    return (UUID if sort == "newest" else _number), UUID


def browse_key(row: ListingRow, sort: str) -> list[object]:
    """The sort key of a row: what a bookmark holds."""
    if sort == "distance":
        return [repr(FAR if row.distance_km is None else row.distance_km), row.id]
    return [row.id, row.id] if sort == "newest" else [row.unit_price, row.id]


async def browse(
    session: AsyncSession,
    wanted: Wanted,
    *,
    sort: str = "newest",
    after: Sequence[object] | None = None,
    limit: int = 51,
) -> Sequence[ListingRow]:
    """Open listings, filtered and sorted (``SORTS``), by keyset: ``after`` is the ``browse_key`` of the last row."""
    by, kind, direction = _SORTS[sort]
    compare = "<" if direction == "DESC" else ">"
    filters = Filters(wanted)
    where, n = filters.where(), len(filters.values)
    if sort == "newest" and filters.by_facet and filters.scattered:
        sql = _newest(filters, f"${n + 1}" if after else None, f"${n + 1 + bool(after)}::int")
        await plan_for_values(session)
        rows = await fetch(session, sql, *filters.also(*([after[1]] if after else []), limit))
        return [ListingRow(**dict(r)) for r in rows]
    by = by.format(km=filters.km or "NULL::float8")
    after_that: list[object] = []
    if after:
        where += f" AND ({by}, l.id) {compare} (${n + 1}::text::{kind}, ${n + 2}::uuid)"
        after_that = [str(after[0]), after[1]]
    order = f"{by} {direction}, l.id {direction}"
    sql = _listed(filters, where, order, f"${n + 1 + len(after_that)}")
    await plan_for_values(session)
    return [ListingRow(**dict(r)) for r in await fetch(session, sql, *filters.also(*after_that, limit))]


@dataclass(frozen=True, slots=True)
class ListedUnit:
    """Units behind a listing as a partner may know them before buying: never where they stand in the seller's
    ledger."""

    serial: str | None
    batch: str | None
    quantity: int
    made_on: date | None
    expires_on: date | None


async def units(session: AsyncSession, listing_id: UUID, *, limit: int = 200) -> Sequence[ListedUnit]:
    """The unsold units of a visible listing by serial or batch; those without either in one row."""
    rows = await fetch(session, "SELECT * FROM listed_units($1, $2)", listing_id, limit)
    return [ListedUnit(**dict(r)) for r in rows]


async def listings_for_update(session: WriteSession, ids: Sequence[UUID]) -> Sequence[ListingRow]:
    """Listings locked in id order, then read at their posted price: for whoever acts for their seller."""
    await fetch(session, "SELECT id FROM listing WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE", sorted(ids))
    rows = await fetch(session, _OWN_LISTING + "WHERE l.id = ANY($1::uuid[]) ORDER BY l.id", sorted(ids))
    return [ListingRow(**dict(r)) for r in rows]
