"""What stands on a shipment's packing list and label."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch, fetch_one
from marketplace.kit.errors import missing
from marketplace.orders.packing import PackedLine, Packing
from marketplace.orders.queries.deliveries import shipment, weights
from marketplace.orders.queries.placed import lines, order, units


def _town(place: str | None, region: str | None, country: str | None) -> str:
    """Place, region and country on one line; a place that names its region already names it once."""
    named = region and place and place.endswith(f", {region}")
    return " ".join(x for x in (place, None if named else region, country) if x)


async def packing(session: AsyncSession, company_id: UUID, shipment_id: UUID) -> Packing:
    """A shipment with all that its papers say, for one of its two sides. Raises ``shipment.not_found``."""
    found = await shipment(session, shipment_id)
    of = await order(session, found.order_id)
    if company_id not in (of.seller_id, of.buyer_id):
        raise missing("shipment.not_found", "No such shipment.")
    own = [u for u in await units(session, of.id) if u.shipment_id == shipment_id]
    known = await lines(session, of.id)
    grams = await weights(session, [x.part_id for x in known])
    packed = []
    for x in known:
        of_line = [u for u in own if u.line_no == x.line_no]
        if of_line:
            serials = tuple(sorted(u.serial for u in of_line if u.serial))
            quantity = sum(u.quantity for u in of_line)
            packed.append(
                PackedLine(
                    x.line_no, x.po_line, x.part_number, x.description, x.maker, x.condition, quantity, x.quantity, x.uom, serials,
                    grams.get(x.part_id),
                )
            )  # fmt: skip
    clause = await fetch_one(
        session, "SELECT reference, clause, version, further FROM agreement WHERE id = $1", of.agreement_id
    )
    to = await fetch_one(
        session,
        "SELECT c.card ->> 'name' AS name, c.card ->> 'address' AS address, c.card ->> 'place' AS place, c.card ->> 'region' AS region, "
        "c.card ->> 'country' AS country, c.card ->> 'counter_phone' AS phone FROM site_card($1) AS c (card)",
        of.ship_to_site_id,
    )
    sites = await fetch(
        session,
        # The buyer does not see where the seller's units stood.
        "SELECT DISTINCT site_card(p.site_id) ->> 'name' AS name, site_card(p.site_id) ->> 'place' AS place, "
        "site_card(p.site_id) ->> 'country' AS country FROM order_unit u JOIN position p ON p.lot_id = u.lot_id AND p.position_id = u.position_id "
        "WHERE u.shipment_id = $1 AND p.site_id IS NOT NULL ORDER BY 1 LIMIT 3",
        shipment_id,
    )
    clauses = []
    if clause is not None:
        clauses = [f"{clause['clause']} version {clause['version']}"]
        clauses += [f"{c['clause']} version {c['version']}" for c in _further(clause["further"])]
    return Packing(
        order_id=of.id, reference=of.reference, po_number=of.po_number, seller=of.seller, buyer=of.buyer, shipment_id=found.id,
        number=found.number, shipments=of.shipments, carrier=found.carrier, tracking=found.tracking, packages=found.packages,
        weight_grams=found.weight_grams, origin=found.origin, note=found.note, shipped_at=found.shipped_at,
        received_at=found.received_at, lines=tuple(packed), agreement=clause["reference"] if clause else None, clauses=tuple(clauses),
        to=tuple(x for x in (to["name"], to["address"], _town(to["place"], to["region"], to["country"])) if x) if to else (),
        phone=(to["phone"] or None) if to else None,
        sender=tuple(", ".join(y for y in (r["name"], r["place"], r["country"]) if y) for r in sites),
    )  # fmt: skip


def _further(stored: object) -> list[dict[str, object]]:
    return [c for c in stored if isinstance(c, dict)] if isinstance(stored, list) else []
