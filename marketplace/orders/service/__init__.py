"""The verbs of orders: place, accept, decline, cancel, sign, ship, receive. Each step moves the ledger.

A buyer may not touch a seller's units, yet an order must reserve them at once: the published listing is the
seller's standing offer, and only on its strength does an order act for the seller (``acting_for``).
"""

from marketplace.orders.service.answering import accept, cancel, decline, end_with_agreement, expire
from marketplace.orders.service.basket import place_several
from marketplace.orders.service.delivering import correct_shipment, receive, ship
from marketplace.orders.service.negotiating import go_on_under, sign_terms
from marketplace.orders.service.placing import MAX_LINES, ProposedTerms, Wanted, place
from marketplace.orders.service.quoting import (
    OfferedLine,
    accept_offer,
    decline_offer,
    make_offer,
    request_quote,
    withdraw_offer,
)
from marketplace.orders.service.writing import write_message

__all__ = [
    "MAX_LINES", "OfferedLine", "ProposedTerms", "Wanted", "accept", "accept_offer", "cancel", "correct_shipment", "decline", "decline_offer", "end_with_agreement", "expire", "go_on_under", "make_offer", "place", "place_several", "receive", "request_quote", "ship",
    "sign_terms", "withdraw_offer", "write_message",
]  # fmt: skip
