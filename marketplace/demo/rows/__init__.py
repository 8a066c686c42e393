"""The rows of the demo world: flat, frozen tuples that can be copied into tables in the order they stand.

Ids are computed, so the same start and seed give the same world. ``basis`` says whether a row's facts come from
the record or were made up around it. Money is USD, times are UTC.
"""

from marketplace.demo.rows.calls import Call, CallEvent, CallUnit, Requisition, Settlement, Withdrawal
from marketplace.demo.rows.ledger import Basis, Freeze, Lot, Movement, OpenHold, Permit, Position
from marketplace.demo.rows.parties import Alternate, Company, Delegation, Fitment, Maker, Part, Site, Supersession, User
from marketplace.demo.rows.trade import (
    Agreement,
    AgreementLine,
    Framework,
    Listing,
    ListingLot,
    Order,
    OrderLine,
    OrderUnit,
    OwnStock,
    Release,
    TermSheet,
)

__all__ = [
    "Agreement",
    "AgreementLine",
    "Alternate",
    "Basis",
    "Call",
    "CallEvent",
    "CallUnit",
    "Company",
    "Delegation",
    "Fitment",
    "Framework",
    "Freeze",
    "Listing",
    "ListingLot",
    "Lot",
    "Maker",
    "Movement",
    "OpenHold",
    "Order",
    "OrderLine",
    "OrderUnit",
    "OwnStock",
    "Part",
    "Permit",
    "Position",
    "Release",
    "Requisition",
    "Settlement",
    "Site",
    "Supersession",
    "TermSheet",
    "User",
    "Withdrawal",
]
