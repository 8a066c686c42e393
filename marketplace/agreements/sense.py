"""Terms that fit their bounds and each other, and still leave a right empty or a duty that nobody can meet.

A released clause takes them, and what was agreed under it is read for decades: so they are refused where terms are written
(posting, proposing, ordering under other terms), never where they are read.
"""

from __future__ import annotations

from collections.abc import Sequence

from marketplace.agreements.price_rules import Contradiction
from marketplace.agreements.term_kinds import Renewal, ResaleRule
from marketplace.agreements.terms import Terms, not_right
from marketplace.agreements.terms_v2 import TermsV2
from marketplace.kit.errors import FieldError, invalid_fields

_SHORTEST_MONTH = 28


def senseless(terms: Terms) -> list[Contradiction]:
    """(term, code, words) of what should not be agreed anew."""
    if terms.generation == 1:
        return []
    return [*_renewal_nobody_can_stop(terms), *_cap_below_one_unit(terms)]


def check_sense(terms: Terms) -> None:
    """Raises ``terms.invalid`` naming every term that should not be agreed so."""
    if fields := [FieldError(*found) for found in senseless(terms)]:
        raise not_right(fields)


def check_sense_together(clauses: Sequence[Terms]) -> None:
    """Raises ``terms.combination`` naming the term of a first refusal whose offer can never be made, because another clause of the
    agreement is stricter: the strictest binds, and consent to a sale is asked for that sale, not by an offer of the units."""
    words = {
        ResaleRule.CONSENT: "asks for consent to every sale",
        ResaleRule.ACCESSION: "lets units be sold on to whoever takes it over, without an offer before",
        ResaleRule.NOT_ALLOWED: "forbids every sale",
    }
    offers = [t for t in clauses if t.clause == "first-refusal" and t.resale is ResaleRule.OFFER_FIRST]
    others = [t for t in clauses if t.generation == 2 and t.clause != "first-refusal" and t.resale in words]
    if not (offers and others):
        return
    field, other = "first-refusal.resale", others[0]
    message = (
        f"Units would never be offered before they are sold on: the {other.clause} {words[other.resale]}, and the stricter clause binds. "
        f"Let units be offered first under the {other.clause} too, or ask for no offer before a sale here."
    )
    said = f"The clauses do not stand together: {field}: {message}"
    raise invalid_fields("terms.combination", said, (FieldError(field, "terms.never_offered", message),))


def _renewal_nobody_can_stop(terms: TermsV2) -> list[Contradiction]:
    """By the last day for saying so, the time it is about must have begun."""
    if terms.renewal is Renewal.NONE:
        return []
    code = "terms.notice_too_early"
    if terms.non_renewal_days >= terms.window_end_months * _SHORTEST_MONTH:
        words = f"That would be before the agreement begins: its window is {terms.window_end_months} months. State fewer days."
        return [("non_renewal_days", code, words)]
    if terms.max_renewals > 1 and terms.non_renewal_days >= terms.renewal_months * _SHORTEST_MONTH:
        words = (
            f"Each renewal adds {terms.renewal_months} months, so the next would have to be decided on before the last has "
            "begun. State fewer days."
        )
        return [("non_renewal_days", code, words)]
    return []


def _cap_below_one_unit(terms: TermsV2) -> list[Contradiction]:
    """A cap limits a sum of damages; below what the first missing unit costs, the share per unit means nothing."""
    cap = terms.breach_cap_bp
    if cap is None or not terms.minimum_to_keep or terms.breach_share_bp <= cap * terms.minimum_to_keep:
        return []
    words = "The cap must not be less than what is paid for the first missing unit."
    return [("breach_cap_bp", "terms.cap_below_share", words)]
