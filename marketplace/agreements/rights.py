"""Which kinds of right there are, and which of them a clause gives. Law and books ask about rights, not about clauses."""

from __future__ import annotations

from enum import StrEnum

from marketplace.agreements.terms import Terms


class Right(StrEnum):
    """What a clause lets one side do with units that were sold."""

    CALL = "call"
    """The maker may buy units back."""
    FIRST_REFUSAL = "first_refusal"
    """The maker is asked before units are used, sold or scrapped."""
    PUT = "put"
    """The holder may make the maker buy units back."""
    ACCESS_EXCHANGE = "access_exchange"
    """The maker may draw units and replaces them in kind."""
    CONSIGN = "consign"
    """Units stay the maker's until they are taken out."""


def rights_of(terms: Terms) -> frozenset[Right]:
    """The rights that a clause version gives under these terms.

    A draw that is not replaced ends in a purchase, and whether it is replaced lies with the maker: an access-back is a
    right to buy as well.
    """
    if terms.clause == "access-back":
        return frozenset({Right.ACCESS_EXCHANGE, Right.CALL})
    if terms.clause == "first-refusal":
        return frozenset({Right.FIRST_REFUSAL})
    if terms.clause == "title-kept":
        return frozenset({Right.CONSIGN})
    if terms.version == 2 and terms.put_percent_bp is not None:
        return frozenset({Right.CALL, Right.PUT})
    return frozenset({Right.CALL})
