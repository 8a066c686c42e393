"""What every verb of orders needs: whose order it is, who is told, where units are, what stands behind a listing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from marketplace.db.session import WriteSession, execute
from marketplace.kit.canonical import encode
from marketplace.kit.errors import conflict, missing
from marketplace.ledger.entries import Place
from marketplace.listings import queries as listings
from marketplace.listings.quantities import Take
from marketplace.listings.queries import ListingRow, unpromised_for_update
from marketplace.listings.service import tell_gone
from marketplace.orders import queries
from marketplace.outbox.service import emit
from marketplace.parties.actor import Actor, By


async def count_ordered(session: WriteSession, changes: Sequence[tuple[UUID, int]]) -> None:
    """Adds to what is ordered of each listing (or takes off): (listing, how many); one statement."""
    await execute(
        session,
        "UPDATE listing l SET ordered = l.ordered + c.change FROM unnest($1::uuid[], $2::int[]) AS c (id, change) "
        "WHERE l.id = c.id",
        [listing for listing, _ in changes],
        [change for _, change in changes],
    )


async def put_back(
    session: WriteSession,
    company: UUID,
    locked: Sequence[ListingRow],
    units: Sequence[tuple[UUID, Take]],
    now: datetime,
) -> None:
    """Units that are no longer ordered stand behind their listings again, as far as they are still there and nobody else
    was promised them: a reservation past its time lets others use, move or post them. The listing is the smaller by
    what is gone, and the seller is told. Of a posting that was closed meanwhile nothing is on offer: there they are free.

    ``locked``: the listings as locked before, the order still counted in. The caller has counted it off and freed the
    units. However many units: the same number of statements.
    """
    lines = {x.id: x for x in locked}
    left = await unpromised_for_update(session, [(t.lot_id, t.position_id) for _, t in units], now)
    back: list[tuple[UUID, Take]] = []
    freed: dict[UUID, int] = {}
    gone: dict[UUID, int] = {}
    for listing, t in units:
        there = min(t.quantity, left[t.lot_id, t.position_id]) if lines[listing].published else 0
        left[t.lot_id, t.position_id] -= there
        freed[listing] = freed.get(listing, 0) + t.quantity
        gone[listing] = gone.get(listing, 0) + t.quantity - there
        if there:
            back.append((listing, replace(t, quantity=there)))
    await execute(
        session,
        "UPDATE listing l SET quantity = l.quantity - g.gone FROM unnest($1::uuid[], $2::int[]) AS g (id, gone) "
        "WHERE l.id = g.id AND g.gone > 0",
        list(gone), list(gone.values()),
    )  # fmt: skip
    await execute(
        session,
        "INSERT INTO listing_lot AS b (listing_id, lot_id, position_id, company_id, quantity) "
        "SELECT t.listing_id, t.lot_id, t.position_id, $1, sum(t.quantity) "
        "FROM unnest($2::uuid[], $3::uuid[], $4::int[], $5::int[]) AS t (listing_id, lot_id, position_id, quantity) "
        "GROUP BY 1, 2, 3 "
        "ON CONFLICT (listing_id, lot_id, position_id) DO UPDATE SET quantity = b.quantity + excluded.quantity",
        company, *_columns(back),
    )  # fmt: skip
    told = [
        (replace(line, ordered=line.ordered - freed[i], available=line.available + freed[i]), gone[i])
        for i, line in lines.items()
        if line.published and gone.get(i)
    ]
    if told:
        await tell_gone(session, company, told)


async def take_backing(session: WriteSession, units: Sequence[tuple[UUID, Take]]) -> None:
    """Ordered units no longer stand behind their listings; two statements."""
    columns = _columns(units)
    await execute(
        session,
        "DELETE FROM listing_lot b USING unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[]) "
        "AS t (listing_id, lot_id, position_id, quantity) WHERE b.listing_id = t.listing_id AND b.lot_id = t.lot_id "
        "AND b.position_id = t.position_id AND b.quantity = t.quantity",
        *columns,
    )
    await execute(
        session,
        "UPDATE listing_lot b SET quantity = b.quantity - t.quantity "
        "FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[]) AS t (listing_id, lot_id, position_id, quantity) "
        "WHERE b.listing_id = t.listing_id AND b.lot_id = t.lot_id AND b.position_id = t.position_id "
        "AND b.quantity > t.quantity",
        *columns,
    )


def _columns(units: Sequence[tuple[UUID, Take]]) -> tuple[list[UUID], list[UUID], list[int], list[int]]:
    return (
        [listing for listing, _ in units],
        [t.lot_id for _, t in units],
        [t.position_id for _, t in units],
        [t.quantity for _, t in units],
    )


def moved(place: Place, **changes: Any) -> Place:
    return replace(place, **changes)


async def mine(session: WriteSession, actor: Actor, order_id: UUID, side: str) -> queries.OrderRow:
    """The order locked, if the actor's company is on that side of it; else not found."""
    order = await queries.order_for_update(session, order_id)
    if (order.seller_id if side == "seller" else order.buyer_id) != actor.company_id:
        raise missing("order.not_found", f"No such order that you could {'answer' if side == 'seller' else 'change'}.")
    return order


async def refuse_uncleared(
    session: WriteSession, order: queries.OrderRow, listing_ids: Sequence[UUID], now: datetime
) -> None:
    """Raises ``order.not_cleared`` where a part of the seller's order is controlled and the buyer's clearance has ended since it was
    ordered. On the seller's behalf, before any lot is locked."""
    numbers = await listings.not_cleared_for(session, order.seller_id, order.buyer_id, listing_ids, now)
    if numbers:
        shown = ", ".join(numbers[:5]) + (f" and {len(numbers) - 5:,} more" if len(numbers) > 5 else "")
        raise conflict(
            "order.not_cleared",
            f"{shown}: export-controlled, and {order.buyer} is not cleared for it on this day. Record a clearance under Company, Audiences, "
            "or do not go on with this order.",
            parts=list(numbers[:50]),
        )


async def tell(
    session: WriteSession,
    actor: By,
    order_id: UUID,
    seller: UUID,
    buyer: UUID,
    kind: str,
    detail: Mapping[str, Any],
    now: datetime,
) -> None:
    await execute(
        session,
        "INSERT INTO order_event (order_id, seller_id, buyer_id, kind, detail, company_id, actor_id, at) "
        "VALUES ($1,$2,$3,$4,$5::jsonb,$6,$7,$8)",
        order_id, seller, buyer, kind, encode(dict(detail)).decode(), actor.company_id, actor.user_id, now,
    )  # fmt: skip


async def announce(
    session: WriteSession,
    event: str,
    order_id: UUID,
    companies: Sequence[UUID],
    reference: str,
    people: Sequence[str],
    subject: str,
    text: str,
) -> None:
    payload: dict[str, Any] = {"reference": reference}
    if people:
        payload["mail"] = {"to": list(people), "subject": subject, "text": text, "link": f"/orders/{order_id}"}
    await emit(session, event, "order", order_id, companies, payload)
