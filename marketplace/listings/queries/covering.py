"""What a pasted list can be covered from: of every part as much as could ever be worth buying, in one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import driver
from marketplace.kit.money import Money
from marketplace.listings.cover import Cover, Offered, cover
from marketplace.parts import queries as parts
from marketplace.parts.numbers import Asked, Match

# Of offers sold by the unit those that cheaper ones of that kind leave nothing to do for, and of the others those that are dearer than
# any unit of them, are in no cheapest cover: as many plain units as are wanted are to be had below that price.
_OFFERS = """
SELECT part_id, id, release_id, available, unit_price, minimum_quantity, package_quantity, currency FROM (
    SELECT l.part_id, l.id, l.release_id, l.quantity - l.ordered AS available, l.unit_price, l.minimum_quantity, l.package_quantity,
           l.currency, w.quantity AS wanted,
           coalesce(sum(CASE WHEN l.minimum_quantity = 1 AND l.package_quantity = 1 THEN l.quantity - l.ordered ELSE 0 END)
               OVER (PARTITION BY l.part_id, l.currency ORDER BY l.unit_price, l.id
                     ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS cheaper
    FROM unnest($1::uuid[], $2::int[]) AS w (part_id, quantity)
    JOIN listing_seen l ON l.part_id = w.part_id
    WHERE l.published AND l.ordered < l.quantity AND l.company_id <> $3
) x WHERE cheaper < wanted
"""


@dataclass(frozen=True, slots=True)
class Need:
    """One line of the list: a number and how many."""

    asked: Asked
    quantity: int


@dataclass(frozen=True, slots=True)
class Covered:
    """A line of the list with what covers it. ``part``: None where no part, or parts of several makers, have exactly this number;
    ``like``: numbers that are similar; ``elsewhere``: currencies in which more of it is on offer."""

    need: Need
    part: parts.PartRow | None
    makers: tuple[str, ...]
    like: tuple[str, ...]
    cover: Cover
    elsewhere: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CoveredList:
    """Every line in the order asked; ``total``: what all of it costs, ``least``: what no cover is below."""

    lines: tuple[Covered, ...]
    total: Money
    least: Money


async def cover_list(session: AsyncSession, company_id: UUID, needs: Sequence[Need], currency: str) -> CoveredList:
    """The cheapest way to get what is asked for, at the prices that this company pays, from offers in one currency. However long the list:
    the same number of statements."""
    found = await parts.find(session, [n.asked for n in needs])
    exact = {norm: [h.part_id for h in hits if h.step is Match.EXACT] for norm, hits in found.hits.items()}
    rows = await parts.parts(session, {h.part_id for hits in found.hits.values() for h in hits}) if found.hits else {}
    wanted: dict[UUID, int] = {}
    for n in needs:
        if len(ids := exact.get(n.asked.norm, [])) == 1:
            wanted[ids[0]] = wanted.get(ids[0], 0) + n.quantity
    offers, elsewhere = await _offers(session, company_id, wanted, currency)
    covers = {part_id: cover(offers.get(part_id, ()), quantity) for part_id, quantity in wanted.items()}
    told, once = [], set[UUID]()
    nothing = cover((), 0)
    for n in needs:
        ids = exact.get(n.asked.norm, [])
        part = rows.get(ids[0]) if len(ids) == 1 else None
        like = () if ids else tuple(rows[h.part_id].number for h in found.hits.get(n.asked.norm, ())[:3])
        # A part that two numbers of the list stand for is bought once, for both.
        first = part is not None and part.id not in once
        if part is not None:
            once.add(part.id)
        told.append(
            Covered(
                n, part, tuple(sorted({rows[i].maker for i in ids})), like,
                covers[part.id] if part is not None and first else nothing if part else cover((), n.quantity),
                tuple(sorted(elsewhere.get(part.id, ()))) if part else (),
            )
        )  # fmt: skip
    total = sum((c.cost for c in covers.values()), nothing.cost)
    least = sum((c.least for c in covers.values()), nothing.cost)
    return CoveredList(tuple(told), Money(total, currency), Money(least, currency))


async def _offers(
    session: AsyncSession, company_id: UUID, wanted: Mapping[UUID, int], currency: str
) -> tuple[dict[UUID, list[Offered]], dict[UUID, set[str]]]:
    offers: dict[UUID, list[Offered]] = {}
    elsewhere: dict[UUID, set[str]] = {}
    connection = await driver(session)
    for r in await connection.fetch(_OFFERS, list(wanted), list(wanted.values()), company_id):
        if r["currency"] == currency:
            offers.setdefault(r["part_id"], []).append(
                Offered(
                    r["id"],
                    r["release_id"],
                    r["available"],
                    r["unit_price"],
                    r["minimum_quantity"],
                    r["package_quantity"],
                )
            )
        else:
            elsewhere.setdefault(r["part_id"], set()).add(r["currency"])
    return offers, elsewhere
