"""What the orders of the demo cost their buyers: a line for each line of an order, as receiving writes it, paid about a month
later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from marketplace.agreements.phrases import count
from marketplace.demo.cast import Cast
from marketplace.demo.draws import Draws
from marketplace.demo.rows import Order, OrderLine, Settlement
from marketplace.kit.clock import local_day
from marketplace.kit.ids import command_id
from marketplace.kit.money import Money

_DAYS = 30


def build_sales(
    orders: Sequence[Order], lines: Sequence[OrderLine], cast: Cast, start: datetime, draws: Draws
) -> list[tuple[Settlement, UUID]]:
    """The lines, each with the step of its order that it is for; those that are due by ``start`` are paid, of the others some."""
    by_id = {o.id: o for o in orders}
    zones = {s.id: s.timezone for s in cast.sites}
    found: list[tuple[Settlement, UUID]] = []
    for line in lines:
        order = by_id[line.order_id]
        price = Money(line.unit_price, "USD")
        amount = (price * line.quantity).rounded().amount
        if not amount:
            continue
        received = order.received_at
        key = (order.id, line.line_no)
        paid: datetime | None = received + timedelta(days=draws.between(18, _DAYS - 2, "sale paid", order.id), hours=2)
        if paid is not None and paid >= start:
            paid = None
        words = f"Sold on {order.po_number}: {count(line.quantity, 'unit')} at {price}."
        owed = Settlement(
                draws.id(received, "sale", *key), draws.reference("SET", "sale", *key), order.buyer_id, order.seller_id,
                "sale_price", order.id, order.reference, order.agreement_id, line.part_id, line.quantity, line.unit_price,
                amount.quantize(Decimal("0.0001")), words,
                local_day(received, zones[order.ship_to_site_id]) + timedelta(days=_DAYS), paid,
                cast.actor[order.buyer_id, "buyer"] if paid else None, paid, cast.actor[order.seller_id, "planner"] if paid else None,
                received,
            )  # fmt: skip
        found.append((owed, command_id("order.sold", *key)))
    return found
