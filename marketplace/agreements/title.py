"""Whose the units are in the holder's hands, and when their price is due: what all clauses of an agreement say about it."""

from __future__ import annotations

from collections.abc import Sequence

from marketplace.agreements import phrases
from marketplace.agreements.term_kinds import Title
from marketplace.agreements.terms import Terms
from marketplace.agreements.terms_v2 import TitleKeptV1


def title_of(clauses: Sequence[Terms]) -> Title:
    """The title that the clauses state; units are sold where none keeps it."""
    said = [t.title for t in clauses if t.generation == 2 and t.title is not Title.SOLD]
    return said[0] if said else Title.SOLD


def kept_by(clauses: Sequence[Terms]) -> TitleKeptV1 | None:
    """The clause under which units are placed and not sold, if there is one: they are paid when they are taken out."""
    return next((t for t in clauses if t.clause == "title-kept"), None)


def price_due(clauses: Sequence[Terms], payment_days: int) -> str:
    """When the price is due, in words; ``payment_days`` are those of the posting or order."""
    kept = kept_by(clauses)
    if kept is not None:
        return f"Within {phrases.count(kept.withdrawal_days, 'day')} of taking a unit out; nothing on receipt"
    return f"Within {phrases.count(payment_days, 'day')} of receipt" if payment_days else "On receipt"


def owner_words(clauses: Sequence[Terms]) -> str:
    """Whose units of the maker in the holder's hands are and until when, to the holder; '' for units that are sold."""
    if title_of(clauses) is Title.SOLD:
        return ""
    if kept_by(clauses) is None:
        return "The manufacturer's until they are paid: not to be used, fitted, sold on or scrapped before."
    until = "paid" if title_of(clauses) is Title.RETAINED_UNTIL_PAID else "taken out"
    return f"The manufacturer's until they are {until}: to use or fit a unit is to take it out, and then it is paid."
