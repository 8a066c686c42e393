"""What the buyer owes for the units of an order that it accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from marketplace.agreements.phrases import count
from marketplace.db.session import WriteSession
from marketplace.kit.clock import local_day
from marketplace.kit.ids import command_id
from marketplace.kit.money import Money
from marketplace.orders import queries
from marketplace.orders.states import Receipt
from marketplace.parties import queries as parties
from marketplace.settlement import service as settlement


async def owe_price(
    session: WriteSession,
    order: queries.OrderRow,
    lines: Sequence[queries.LineRow],
    given: Mapping[int, Receipt],
    agreement_id: UUID | None,
    now: datetime,
) -> None:
    """A settlement line for each order line of which units were accepted, due the order's days after today where they are.
    For what was short, damaged or the wrong part nothing is owed; the line says how many that were."""
    site = await parties.site(session, order.ship_to_site_id)
    sold = [
        settlement.Sold(
            command_id("order.sold", order.id, line.line_no), line.part_id, given[line.line_no].good, line.unit_price,
            _words(order, line, given[line.line_no]),
        )
        for line in lines
        if given[line.line_no].good
    ]  # fmt: skip
    await settlement.owe_sales(
        session, payer_id=order.buyer_id, payee_id=order.seller_id, cause_id=order.id, cause_reference=order.reference,
        agreement_id=agreement_id, currency=order.currency,
        due_on=local_day(now, site.timezone) + timedelta(days=order.payment_days), at=now, sold=sold,
    )  # fmt: skip


def _words(order: queries.OrderRow, line: queries.LineRow, receipt: Receipt) -> str:
    said = f"Sold on {order.po_number}: {count(receipt.good, 'unit')} at {Money(line.unit_price, order.currency)}."
    if receipt.not_good:
        said += f" {receipt.not_good:,} of {line.quantity:,} ordered were not accepted: nothing is owed for them."
    return said
