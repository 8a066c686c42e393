"""A call under any clause: is it in time, how many units does it get, by when must each side act."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from marketplace.agreements import deadlines, phrases
from marketplace.agreements.facts import Facts
from marketplace.agreements.outcomes import Entitled, Reason, RefusalCode, Refused, Replacement
from marketplace.agreements.pricing import PricedTerms, price_on
from marketplace.agreements.reach import blocked, nothing_callable, reason, split_given
from marketplace.agreements.terms import NoResponse, Party, Terms, TermsV2, Urgency
from marketplace.kit.clock import add_months, local_day, require_utc
from marketplace.kit.errors import invalid
from marketplace.kit.money import Money


class Cost(NamedTuple):
    """What a clause says a unit costs on the day of notice."""

    unit_price: Money
    replacement: Replacement | None
    reasons: tuple[Reason, ...]


def evaluate(
    terms: Terms, facts: Facts, now: datetime, cost: Callable[[], Cost], *, explain: bool
) -> Entitled | Refused:
    """The call for ``facts.requested`` units noticed at ``facts.notice_at`` (or ``now``), at this cost, which is asked
    for only when the call is possible. ``explain``: with the reasons in words.

    More than can be called is answered with what can be; raises ``call.quantity`` when none is requested.
    """
    if facts.requested < 1:
        raise invalid("call.quantity", "Ask for at least one unit.", field="quantity")
    moment = require_utc(facts.notice_at or now)
    block = blocked(terms, facts, moment)
    if block:
        return block
    parts = split_given(terms, facts, None, moment)
    if not parts.callable:
        return nothing_callable(terms, facts, parts, moment)
    refused = wrong_size(terms, facts.requested, parts.callable)
    if refused:
        return refused
    zone = facts.zone
    respond = deadlines.respond_by(terms, facts.urgency, moment, zone)
    ship = deadlines.ship_by(terms, facts.urgency, moment, zone)
    granted = min(facts.requested, parts.callable)
    price = cost()
    return Entitled(
        parts.callable,
        granted,
        price.unit_price,
        price.replacement,
        respond,
        ship,
        terms.inspection_days,
        terms.payment_days,
        terms.freight_payer,
        terms.no_response,
        (
            _reach_reason(terms, facts, granted, parts.words),
            *clock_reasons(terms, facts, respond, ship),
            *price.reasons,
        )
        if explain
        else (),
        deadlines.acknowledge_by(terms, facts.urgency, moment, zone),
        deadlines.deliver_by(terms, facts.urgency, moment, zone),
    )


def priced(terms: PricedTerms, facts: Facts, moment: datetime) -> Cost:
    """What a unit costs on the day of notice, where the terms state a price of any kind."""
    price = price_on(terms, facts, local_day(moment, facts.zone))
    grounds = [reason(terms, "price", f"{price.amount} a unit ({price.words}).")]
    if price.held:
        grounds.append(reason(terms, price.term, price.held))
    return Cost(price.amount, None, tuple(grounds))


def right_size(requested: int, available: int, *, least: int, multiple: int) -> bool:
    """Whether one order can be for so many of the units that can be had."""
    # Taking all that is left is always allowed: a remainder below the minimum must not be stranded.
    return requested >= available or (requested >= least and requested % multiple == 0)


def wrong_size(terms: Terms, requested: int, available: int) -> Refused | None:
    """Why one order cannot be for so many of the units that can be had; None if it can."""
    if right_size(requested, available, least=terms.partial_minimum, multiple=terms.partial_multiple):
        return None
    if requested < terms.partial_minimum:
        least = min(terms.partial_minimum, available)
        words = f"One order takes at least {phrases.count(least, 'unit')}; {requested:,} were asked for."
        return Refused(
            RefusalCode.BELOW_PARTIAL_MINIMUM,
            words,
            f"Order {least:,} or more.",
            None,
            (reason(terms, "partial_minimum", words),),
        )
    if requested % terms.partial_multiple:
        step = terms.partial_multiple
        up = min(requested + step - requested % step, available)
        down = requested - requested % step
        nearest = f"{down:,} or {up:,}" if down else f"{up:,}"
        words = f"Orders are in multiples of {step:,}; {requested:,} were asked for."
        return Refused(
            RefusalCode.NOT_MULTIPLE, words, f"Order {nearest}.", None, (reason(terms, "partial_multiple", words),)
        )
    return None


_COVERS = {
    "all": "The right reaches all remaining units",
    "free": "The right reaches the units above the minimum to keep",
    "floor": "The right reaches the minimum to keep",
}
_CLOCK_TERMS = {
    Urgency.MACHINE_DOWN: ("machine down", "respond_hours_machine_down", "notice_hours_machine_down"),
    Urgency.URGENT: ("urgent", "respond_days_urgent", "notice_days_urgent"),
    Urgency.STOCK: ("stock order", "respond_days_stock", "notice_days_stock"),
}


def _reach_reason(terms: Terms, facts: Facts, granted: int, where: str) -> Reason:
    short = f"; this order gets {granted:,} of {facts.requested:,}" if granted < facts.requested else ""
    term = "title" if terms.clause == "title-kept" else "applies_to"
    return reason(terms, term, f"{_COVERS[terms.applies_to]}: {where}{short}.")


def clock_reasons(terms: Terms, facts: Facts, respond: datetime, ship: datetime) -> tuple[Reason, ...]:
    """Until when each side acts and how the units travel, in words with the terms behind them."""
    name, respond_term, ship_term = _CLOCK_TERMS[facts.urgency]
    last_day = deadlines.window(terms, facts).last_day
    until = reason(terms, "window_end_months", f"Notice may be given until {phrases.day(last_day)}.")
    ships = reason(terms, ship_term, f"{name.capitalize()}: the units ship by {phrases.deadline(ship, facts.zone)}.")
    payer = "manufacturer" if terms.freight_payer is Party.MANUFACTURER else "holder"
    if terms.generation == 1:
        freight: tuple[Reason, ...] = (reason(terms, "freight_payer", f"The {payer} pays the freight."),)
    else:
        rule = f"{terms.incoterm.value} {terms.incoterm_place} (Incoterms 2020)"
        freight = (reason(terms, "incoterm", f"{rule}: the {payer} pays the freight."), *_on_the_way(terms, facts))
    if not terms.answers:
        return (until, ships, *freight)
    silence = "accepted" if terms.no_response is NoResponse.ACCEPTED else "refused"
    answers = reason(
        terms, respond_term, f"{name.capitalize()}: the holder answers by {phrases.deadline(respond, facts.zone)}."
    )
    meant = reason(terms, "no_response", f"No response by the deadline means {silence}.")
    return (until, answers, meant, ships, *freight)


def _on_the_way(terms: TermsV2, facts: Facts) -> tuple[Reason, ...]:
    """What the law of borders and dangerous goods asks of units that go back."""
    known = facts.circumstances
    said: list[Reason] = []
    if terms.hazmat_un is not None:
        words = f"Dangerous goods UN {terms.hazmat_un:04d}: packed, marked and declared as such."
        said.append(reason(terms, "hazmat_un", words))
    if terms.export_class is not None and known.crosses_border:
        who = "manufacturer" if terms.incoterm.value == "EXW" else "holder"
        words = f"Controlled ({terms.export_class}): the {who} gets the export licence, and the time for shipping stands still while it is awaited."
        said.append(reason(terms, "export_class", words))
    if terms.returned_goods_months and known.crosses_border and known.exported_on is not None:
        last = add_months(known.exported_on, terms.returned_goods_months)
        words = f"Free of duty as returned goods until {phrases.day(last)}."
        said.append(reason(terms, "returned_goods_months", words))
    return tuple(said)
