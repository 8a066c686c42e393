"""The verbs of orders: place, accept, decline, cancel, sign, ship, receive. Each step moves the ledger.

A buyer may not touch a seller's units, yet an order must reserve them at once: the published listing is the
seller's standing offer, and only on its strength does an order act for the seller (``acting_for``).
"""

from marketplace.orders.service.answering import accept, cancel, decline, end_with_agreement, expire, take_back
from marketplace.orders.service.basket import place_several
from marketplace.orders.service.cancelling import answer_cancel, ask_to_cancel
from marketplace.orders.service.differing import answer_difference, take_after_all
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
from marketplace.orders.service.receiving import receive
from marketplace.orders.service.returning import answer_return, ask_return, receive_return, ship_return, withdraw_return
from marketplace.orders.service.shipping import correct_shipment, ship
from marketplace.orders.service.writing import write_message

__all__ = [
    "MAX_LINES", "OfferedLine", "ProposedTerms", "Wanted", "accept", "accept_offer", "answer_cancel", "answer_difference", "answer_return",
    "ask_return", "ask_to_cancel", "cancel", "correct_shipment", "decline", "decline_offer", "end_with_agreement", "expire", "go_on_under",
    "make_offer", "place", "place_several", "receive", "receive_return", "request_quote", "ship", "ship_return", "sign_terms", "take_after_all",
    "take_back", "withdraw_offer", "withdraw_return", "write_message",
]  # fmt: skip
