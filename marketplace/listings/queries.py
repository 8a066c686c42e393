"""Reads of releases and listings. Row level security shows a partner only what is published to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one, fetch_value
from marketplace.kit.errors import missing
from marketplace.listings.quantities import Backing


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """A release with how much of it is offered and ordered."""

    id: UUID
    reference: str
    company_id: UUID
    title: str
    clause: str
    version: int
    terms: dict[str, Any]
    use_class: str
    currency: str
    audience: str
    audience_ids: list[UUID]
    status: str
    created_at: datetime
    published_at: datetime | None
    lines: int
    quantity: int
    ordered: int
    value: Decimal


_RELEASE = """
SELECT r.id, r.reference, r.company_id, r.title, r.clause, r.version, r.terms, r.use_class, r.currency, r.audience,
       r.audience_ids, r.status, r.created_at, r.published_at, count(l.id)::int AS lines,
       coalesce(sum(l.quantity), 0)::int AS quantity, coalesce(sum(l.ordered), 0)::int AS ordered,
       coalesce(sum(l.quantity * l.unit_price), 0) AS value
FROM release r LEFT JOIN listing l ON l.release_id = r.id
"""


async def releases(
    session: AsyncSession, company_id: UUID, *, status: str | None = None, after: UUID | None = None, limit: int = 51
) -> Sequence[ReleaseRow]:
    """The company's releases, newest first; up to ``limit`` for kit.pages.cut."""
    rows = await fetch(
        session,
        _RELEASE
        + "WHERE r.company_id = $1 AND ($2::text IS NULL OR r.status = $2) AND ($3::uuid IS NULL OR r.id < $3) "
        "GROUP BY r.id ORDER BY r.id DESC LIMIT $4",
        company_id, status, after, limit,
    )  # fmt: skip
    return [ReleaseRow(**dict(r)) for r in rows]


async def release(session: AsyncSession, release_id: UUID) -> ReleaseRow:
    """One visible release. Raises ``release.not_found``."""
    row = await fetch_one(session, _RELEASE + "WHERE r.id = $1 GROUP BY r.id", release_id)
    if row is None:
        raise missing("release.not_found", "No such surplus posting.")
    return ReleaseRow(**dict(row))


async def release_for_update(session: WriteSession, release_id: UUID, company_id: UUID) -> ReleaseRow:
    """The same, locked, and the company's own. Raises ``release.not_found``."""
    known = await fetch_value(
        session, "SELECT 1 FROM release WHERE id = $1 AND company_id = $2 FOR NO KEY UPDATE", release_id, company_id
    )
    if known is None:
        raise missing("release.not_found", "No such surplus posting of yours.")
    return await release(session, release_id)


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
    use_class: str
    list_price: Decimal | None


_LISTING = """
SELECT l.id, l.release_id, r.reference AS release_reference, l.company_id AS seller_id, c.name AS seller, l.part_id,
       p.number AS part_number, p.description, m.name AS maker, p.class_code, p.uom, l.site_id, l.place, l.region,
       l.country, l.lat, l.lon, l.condition, l.quantity, l.ordered, l.quantity - l.ordered AS available, l.unit_price,
       r.currency, l.minimum_quantity, l.package_quantity, l.minimum_to_keep, l.published, r.published_at, r.clause,
       r.version, r.terms, r.use_class, p.list_price
FROM listing l JOIN release r ON r.id = l.release_id JOIN part p ON p.id = l.part_id JOIN maker m ON m.id = p.maker_id
JOIN company c ON c.id = l.company_id
"""


async def listing(session: AsyncSession, listing_id: UUID) -> ListingRow:
    """One visible listing. Raises ``listing.not_found``."""
    row = await fetch_one(session, _LISTING + "WHERE l.id = $1", listing_id)
    if row is None:
        raise missing("listing.not_found", "No such listing. It may have been withdrawn or offered to others.")
    return ListingRow(**dict(row))


async def lines(session: AsyncSession, release_id: UUID, *, limit: int = 1000) -> Sequence[ListingRow]:
    """The lines of one release by part number."""
    rows = await fetch(
        session, _LISTING + "WHERE l.release_id = $1 ORDER BY p.number_norm, l.id LIMIT $2", release_id, limit
    )
    return [ListingRow(**dict(r)) for r in rows]


async def offers(session: AsyncSession, part_ids: Iterable[UUID], *, limit: int = 2000) -> Sequence[ListingRow]:
    """What is on offer of these parts, cheapest first per part; one statement for any number of parts."""
    rows = await fetch(
        session,
        _LISTING
        + "WHERE l.part_id = ANY($1::uuid[]) AND l.published AND l.ordered < l.quantity "
        "ORDER BY l.part_id, l.unit_price, l.id LIMIT $2",
        list(part_ids), limit,
    )  # fmt: skip
    return [ListingRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Filters of the browse page; None = any. ``near``: (lat, lon, km)."""

    class_code: str | None = None
    condition: str | None = None
    clause: str | None = None
    use_class: str | None = None
    seller_id: UUID | None = None
    maximum_price: Decimal | None = None
    minimum_quantity: int | None = None
    near: tuple[float, float, float] | None = None
    part_ids: tuple[UUID, ...] | None = None


async def browse(
    session: AsyncSession, wanted: Wanted, *, after: UUID | None = None, limit: int = 51
) -> Sequence[ListingRow]:
    """Open listings, newest first, filtered; keyset by id."""
    near = wanted.near or (None, None, None)
    rows = await fetch(
        session,
        _LISTING
        + """
        WHERE l.published AND l.ordered < l.quantity AND ($1::uuid IS NULL OR l.id < $1)
          AND ($2::text IS NULL OR p.class_code = $2) AND ($3::text IS NULL OR l.condition = $3)
          AND ($4::text IS NULL OR r.clause = $4) AND ($5::text IS NULL OR r.use_class = $5)
          AND ($6::uuid IS NULL OR l.company_id = $6) AND ($7::numeric IS NULL OR l.unit_price <= $7)
          AND ($8::int IS NULL OR l.quantity - l.ordered >= $8)
          AND ($9::float8 IS NULL OR (l.lat IS NOT NULL AND 12742 * asin(least(1, sqrt(
                power(sin(radians(l.lat - $9) / 2), 2)
                + cos(radians($9)) * cos(radians(l.lat)) * power(sin(radians(l.lon - $10) / 2), 2)))) <= $11))
          AND ($12::uuid[] IS NULL OR l.part_id = ANY($12))
        ORDER BY l.id DESC LIMIT $13
        """,
        after, wanted.class_code, wanted.condition, wanted.clause, wanted.use_class, wanted.seller_id,
        wanted.maximum_price, wanted.minimum_quantity, *near,
        list(wanted.part_ids) if wanted.part_ids is not None else None, limit,
    )  # fmt: skip
    return [ListingRow(**dict(r)) for r in rows]


async def classes_on_offer(session: AsyncSession) -> Sequence[tuple[str, str, int]]:
    """(code, name, listings) of the classes with something on offer, by name; at most 200."""
    rows = await fetch(
        session,
        "SELECT c.code, c.name, count(*)::int AS n FROM listing l JOIN part p ON p.id = l.part_id "
        "JOIN part_class c ON c.code = p.class_code WHERE l.published AND l.ordered < l.quantity "
        "GROUP BY c.code, c.name ORDER BY c.name LIMIT 200",
    )
    return [(r["code"], r["name"], r["n"]) for r in rows]


async def listings_for_update(session: WriteSession, ids: Sequence[UUID]) -> Sequence[ListingRow]:
    """Listings locked in id order, then read."""
    await fetch(session, "SELECT id FROM listing WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE", sorted(ids))
    rows = await fetch(session, _LISTING + "WHERE l.id = ANY($1::uuid[]) ORDER BY l.id", sorted(ids))
    return [ListingRow(**dict(r)) for r in rows]


async def backing(session: AsyncSession, listing_ids: Sequence[UUID], now: datetime) -> dict[UUID, list[Backing]]:
    """The lots behind listings with what is free of each; a reservation past its time counts as free."""
    rows = await fetch(
        session,
        """
        SELECT b.listing_id, b.lot_id, b.position_id, b.quantity,
               (p.quantity - p.held + coalesce(o.overdue, 0)
                - CASE WHEN t.frozen THEN p.quantity ELSE 0 END)::int AS free
        FROM listing_lot b JOIN position p ON p.lot_id = b.lot_id AND p.position_id = b.position_id
        JOIN lot t ON t.lot_id = b.lot_id
        LEFT JOIN LATERAL (
            SELECT sum(h.quantity) AS overdue FROM open_hold h
            WHERE h.lot_id = b.lot_id AND h.position_id = b.position_id AND h.expires_at <= $2
        ) o ON p.held > 0
        WHERE b.listing_id = ANY($1::uuid[]) ORDER BY b.listing_id, b.lot_id, b.position_id
        """,
        list(listing_ids),
        now,
    )
    found: dict[UUID, list[Backing]] = {i: [] for i in listing_ids}
    for r in rows:
        found[r["listing_id"]].append(Backing(r["lot_id"], r["position_id"], r["quantity"], max(r["free"], 0)))
    return found


@dataclass(frozen=True, slots=True)
class Releasable:
    """Own unencumbered stock of a part at a site in a condition that could be released."""

    part_id: UUID
    part_number: str
    description: str
    uom: str
    site_id: UUID
    site: str
    condition: str
    quantity: int
    free: int
    listed: int
    list_price: Decimal | None
    unit_cost: Decimal | None
    protected: bool
    last_issue_on: object
    usage_12: int | None
    package_quantity: int


async def releasable(
    session: AsyncSession,
    company_id: UUID,
    *,
    part_ids: Sequence[UUID] | None = None,
    site_id: UUID | None = None,
    after: tuple[str, UUID, UUID, str] | None = None,
    limit: int = 51,
) -> Sequence[Releasable]:
    """Own stock by part number that is under no agreement, with what is free and what is listed already."""
    rows = await fetch(
        session,
        """
        SELECT p.part_id, pt.number AS part_number, pt.description, pt.uom, p.site_id, s.name AS site, p.condition,
               sum(p.quantity)::int AS quantity, sum(p.quantity - p.held)::int AS free,
               coalesce(sum(b.listed), 0)::int AS listed, coalesce(max(x.list_price), max(pt.list_price)) AS list_price,
               max(x.unit_cost) AS unit_cost, coalesce(bool_or(x.protected), false) AS protected,
               max(x.last_issue_on) AS last_issue_on, max(x.usage_12) AS usage_12,
               coalesce(max(x.package_quantity), 1)::int AS package_quantity
        FROM position p
        JOIN part pt ON pt.id = p.part_id JOIN site s ON s.id = p.site_id JOIN lot l ON l.lot_id = p.lot_id
        LEFT JOIN LATERAL (
            SELECT max(list_price) AS list_price, max(unit_cost) AS unit_cost, bool_or(protected) AS protected,
                   max(last_issue_on) AS last_issue_on, max(usage_12) AS usage_12,
                   max(package_quantity) AS package_quantity
            FROM stock_line x WHERE x.company_id = $1 AND x.part_id = p.part_id AND x.site_id = p.site_id
        ) x ON true
        LEFT JOIN LATERAL (
            SELECT sum(bl.quantity) AS listed FROM listing_lot bl
            WHERE bl.lot_id = p.lot_id AND bl.position_id = p.position_id
        ) b ON true
        WHERE p.owner_id = $1 AND p.holder_id = $1 AND p.agreement_id IS NULL AND p.quantity > 0 AND NOT l.frozen
          AND ($2::uuid[] IS NULL OR p.part_id = ANY($2)) AND ($3::uuid IS NULL OR p.site_id = $3)
          AND ($4::text IS NULL
               OR (pt.number_norm, p.part_id, p.site_id, p.condition) > ($4 COLLATE "C", $5::uuid, $6::uuid, $7::text))
        GROUP BY p.part_id, pt.number, pt.number_norm, pt.description, pt.uom, p.site_id, s.name, p.condition
        ORDER BY pt.number_norm, p.part_id, p.site_id, p.condition LIMIT $8
        """,
        company_id,
        list(part_ids) if part_ids is not None else None,
        site_id,
        *(after or (None, None, None, None)),
        limit,
    )
    return [Releasable(**dict(r)) for r in rows]


async def lots_to_list(
    session: AsyncSession, company_id: UUID, part_id: UUID, site_id: UUID, condition: str
) -> Sequence[Backing]:
    """Own free lots of a part at a site, less what other listings already offer of them."""
    rows = await fetch(
        session,
        """
        SELECT p.lot_id, p.position_id, p.quantity,
               (p.quantity - p.held - coalesce((SELECT sum(b.quantity) FROM listing_lot b
                 WHERE b.lot_id = p.lot_id AND b.position_id = p.position_id), 0))::int AS free
        FROM position p JOIN lot l ON l.lot_id = p.lot_id
        WHERE p.owner_id = $1 AND p.holder_id = $1 AND p.part_id = $2 AND p.site_id = $3 AND p.condition = $4
          AND p.agreement_id IS NULL AND p.quantity > 0 AND NOT l.frozen
        ORDER BY p.lot_id, p.position_id
        """,
        company_id, part_id, site_id, condition,
    )  # fmt: skip
    return [Backing(r["lot_id"], r["position_id"], max(r["free"], 0), max(r["free"], 0)) for r in rows]


async def stock_for_update(session: WriteSession, company_id: UUID, part_ids: Sequence[UUID]) -> None:
    """Locks the company's lots of these parts in id order, so that two releases cannot list the same units."""
    await fetch(
        session,
        "SELECT lot_id FROM lot WHERE lot_id IN (SELECT lot_id FROM position WHERE owner_id = $1 AND holder_id = $1 "
        "AND part_id = ANY($2::uuid[]) AND quantity > 0) ORDER BY lot_id FOR NO KEY UPDATE",
        company_id,
        list(part_ids),
    )


async def protected(session: AsyncSession, company_id: UUID, part_ids: Sequence[UUID]) -> set[UUID]:
    """Parts the company has marked as never to be released."""
    rows = await fetch(
        session,
        "SELECT DISTINCT part_id FROM stock_line WHERE company_id = $1 AND part_id = ANY($2::uuid[]) AND protected",
        company_id,
        list(part_ids),
    )
    return {r["part_id"] for r in rows}


async def clause_versions(session: AsyncSession) -> Sequence[tuple[str, int, str]]:
    """(clause, version, title) of every published clause version."""
    rows = await fetch(session, "SELECT clause, version, title FROM clause_version ORDER BY clause, version")
    return [(r["clause"], r["version"], r["title"]) for r in rows]
