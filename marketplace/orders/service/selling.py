"""What the buyer owes for the units of an order that it accepted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import UUID

from marketplace.agreements.phrases import count
from marketplace.db.session import WriteSession
from marketplace.kit.clock import local_day
from marketplace.kit.ids import command_id
from marketplace.kit.money import Money
from marketplace.orders import queries
from marketplace.parties import queries as parties
from marketplace.settlement import service as settlement


async def owe_price(
    session: WriteSession,
    order: queries.OrderRow,
    lines: Mapping[int, queries.LineRow],
    good: Mapping[int, int],
    agreement_id: UUID | None,
    now: datetime,
    *,
    scope: UUID,
    not_good: Mapping[int, int] = MappingProxyType({}),
) -> None:
    """A settlement line for each order line of which units were accepted (line -> how many), due the order's days after today where
    they are; once for a ``scope`` (a shipment, a difference). For what was short, damaged or the wrong part nothing is owed; the
    line says how many that were."""
    site = await parties.site(session, order.ship_to_site_id)
    sold = [
        settlement.Sold(
            command_id("order.sold", scope, n), lines[n].part_id, count_, lines[n].unit_price,
            _words(order, lines[n], count_, not_good.get(n, 0)),
        )
        for n, count_ in good.items()
        if count_
    ]  # fmt: skip
    await settlement.owe_sales(
        session, payer_id=order.buyer_id, payee_id=order.seller_id, cause_id=order.id, cause_reference=order.reference,
        agreement_id=agreement_id, currency=order.currency,
        due_on=local_day(now, site.timezone) + timedelta(days=order.payment_days), at=now, sold=sold,
    )  # fmt: skip


def _words(order: queries.OrderRow, line: queries.LineRow, good: int, not_good: int) -> str:
    said = f"Sold on {order.po_number}: {count(good, 'unit')} at {Money(line.unit_price, order.currency)}."
    if not_good:
        said += f" {not_good:,} of {good + not_good:,} {'ordered' if good + not_good == line.quantity else 'shipped'} were not accepted: nothing is owed for them."
    return said
