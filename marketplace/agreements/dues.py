"""Who owes what, and by when, after something has happened under an agreement: each duty with the term it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from marketplace.agreements import phrases
from marketplace.agreements.clauses import title_kept
from marketplace.agreements.deadlines import (
    acknowledge_by,
    after_days,
    counted,
    deliver_by,
    inspect_by,
    pay_by,
    respond_by,
    ship_by,
)
from marketplace.agreements.facts import Facts
from marketplace.agreements.holder_acts import needed
from marketplace.agreements.outcomes import Act, Need, Reason
from marketplace.agreements.reach import minimum, reason
from marketplace.agreements.remedies import default_from
from marketplace.agreements.renewal import end_of_term
from marketplace.agreements.term_kinds import AtEnd
from marketplace.agreements.terms import NoResponse, Party, Urgency
from marketplace.agreements.terms_v2 import TermsV2
from marketplace.kit.clock import add_months, end_of_day, local_day, months_between, require_utc
from marketplace.kit.errors import invalid
from marketplace.kit.money import Money


class Event(StrEnum):
    """What has happened."""

    SIGNED = "signed"
    ORDERED = "ordered"
    """The manufacturer gave notice of an order (``facts.urgency``)."""
    ASKED = "asked"
    """The holder gave notice, offered units or asked for consent."""
    RECEIVED = "received"
    """Units of an order reached the manufacturer."""
    ACCEPTED = "accepted"
    """It accepted them, or let the time for it pass."""
    ACTED = "acted"
    """The holder used, moved, sold or scrapped units."""
    YEAR_ENDED = "year_ended"
    COUNTED = "counted"
    MISSED = "missed"
    """A deadline passed without the act that it was for."""
    ENDED = "ended"
    """The window ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One event, when it was, and how many units it is about. ``act``: what the holder asks for or did. ``amount``: what is
    owed for accepted units in all."""

    event: Event
    at: datetime
    units: int = 1
    act: Act = Act.USE
    amount: Money | None = None


class Duty(StrEnum):
    """What is to be done."""

    PAY = "pay"
    STORE = "store"
    COUNT = "count"
    ACKNOWLEDGE = "acknowledge"
    RESPOND = "respond"
    SHIP = "ship"
    DELIVER = "deliver"
    LICENSE = "license"
    DECLARE = "declare"
    ANSWER = "answer"
    INSPECT = "inspect"
    REPLACE = "replace"
    REPORT = "report"
    CURE = "cure"
    DECIDE = "decide"
    SEND_BACK = "send_back"


class Due(NamedTuple):
    """One duty: who does what by when (exclusive; None = all the time), for how many units, for how much money."""

    who: Party
    what: Duty
    by: datetime | None
    units: int
    amount: Money | None
    words: str
    reason: Reason


def obligations(terms: TermsV2, facts: Facts, happened: Happened) -> tuple[Due, ...]:
    """Every duty that follows from what happened, in the order in which it falls due; those without a date last. Raises
    ``time.naive``, ``act.quantity`` for fewer than one unit."""
    if happened.units < 1:
        raise invalid("act.quantity", "Give a quantity of at least one unit.", field="quantity")
    known = replace(happened, at=require_utc(happened.at))
    found = _FOLLOWS[happened.event](terms, facts, known)
    return tuple(sorted(found, key=lambda due: (due.by is None, due.by or happened.at)))


def net_due(terms: TermsV2, to_holder: Money, to_manufacturer: Money) -> tuple[Money, Money]:
    """What is paid each way, (to the holder, to the manufacturer): the difference alone where undisputed amounts are set off."""
    nothing = Money(to_holder.amount * 0, to_holder.currency)
    if not terms.set_off:
        return to_holder, to_manufacturer
    rest = to_holder - to_manufacturer
    return (rest, nothing) if rest.amount >= 0 else (nothing, to_manufacturer - to_holder)


_M, _H = Party.MANUFACTURER, Party.HOLDER


def _due(
    terms: TermsV2, who: Party, what: Duty, by: datetime | None, units: int, term: str, words: str,
    facts: Facts, amount: Money | None = None,
) -> Due:  # fmt: skip
    when = f" by {phrases.deadline(by, facts.zone)}" if by is not None else ""
    said = f"The {who} {words}{when}."
    return Due(who, what, by, units, amount, said, reason(terms, term, said))


def _signed(terms: TermsV2, facts: Facts, happened: Happened) -> Iterator[Due]:
    if terms.clause != "title-kept" and terms.option_premium_bp:
        premium = (facts.sale_price * facts.quantity_sold).share(terms.option_premium_bp, terms.rounding)
        by, words = after_days(happened.at, terms.payment_days, facts.zone), f"pays {premium} for the right"
        yield _due(terms, _M, Duty.PAY, by, facts.quantity_sold, "option_premium_bp", words, facts, premium)
    store = f"stores the units {STORED[terms.storage_conditions.value]}"
    yield _due(terms, _H, Duty.STORE, None, facts.quantity_sold, "storage_conditions", store, facts)
    yield from _next_count(terms, facts, happened.at)
    end = end_of_term(terms, facts)
    if end.decide_by is not None:
        words = (
            "gives notice if it does not want a renewal" if terms.longest_renewals else "agrees if it wants a renewal"
        )
        for who in (_M, _H):
            yield _due(terms, who, Duty.DECIDE, end.decide_by, facts.remaining, "non_renewal_days", words, facts)
    if terms.clause == "title-kept" and terms.must_buy_months is not None:
        by = end_of_day(add_months(facts.schedule_date, terms.must_buy_months), facts.zone)
        words = "takes out what it wants to, since what is left then counts as taken out,"
        yield _due(
            terms,
            _H,
            Duty.PAY,
            by,
            facts.remaining,
            "must_buy_months",
            words,
            facts,
            facts.sale_price * facts.remaining,
        )


STORED = {
    "dry_indoors": "dry and indoors",
    "climate_controlled": "in a climate-controlled place",
    "as_maker_states": "as the maker of the part states",
}


def _next_count(terms: TermsV2, facts: Facts, after: datetime) -> Iterator[Due]:
    if not terms.count_interval_months:
        return
    done = months_between(facts.schedule_date, local_day(after, facts.zone)) // terms.count_interval_months
    day = add_months(facts.schedule_date, (done + 1) * terms.count_interval_months)
    survives = end_of_term(terms, facts).survives_until
    if day <= survives:
        by = end_of_day(day, facts.zone)
        words = "counts the units and reports the count"
        yield _due(terms, _H, Duty.COUNT, by, facts.remaining, "count_interval_months", words, facts)


_SUFFIX = {Urgency.MACHINE_DOWN: "hours_machine_down", Urgency.URGENT: "days_urgent", Urgency.STOCK: "days_stock"}


def _ordered(terms: TermsV2, facts: Facts, happened: Happened) -> Iterator[Due]:
    urgency, zone, units = facts.urgency, facts.zone, happened.units
    suffix, count = _SUFFIX[urgency], phrases.count(units, "unit")
    seen = acknowledge_by(terms, urgency, happened.at, zone)
    if seen is not None:
        yield _due(terms, _H, Duty.ACKNOWLEDGE, seen, units, f"acknowledge_{suffix}", "acknowledges the order", facts)
    if terms.answers:
        silent = "accepted" if terms.no_response is NoResponse.ACCEPTED else "refused"
        words = f"accepts or refuses the order (no response means {silent})"
        by = respond_by(terms, urgency, happened.at, zone)
        yield _due(terms, _H, Duty.RESPOND, by, units, f"respond_{suffix}", words, facts)
    ships = ship_by(terms, urgency, happened.at, zone)
    rule = f"{terms.incoterm.value} {terms.incoterm_place}"
    yield _due(terms, _H, Duty.SHIP, ships, units, f"notice_{suffix}", f"ships {count}, {rule},", facts)
    arrives = deliver_by(terms, urgency, happened.at, zone)
    # Under rules with carriage by the buyer its own carrier brings the units: only the handing over is the holder's.
    if arrives is not None and terms.freight_payer is _H:
        yield _due(terms, _H, Duty.DELIVER, arrives, units, f"deliver_{suffix}", f"has {count} delivered", facts)
    elif arrives is not None:
        words = f"has its carrier bring {count}"
        yield _due(terms, _M, Duty.DELIVER, arrives, units, f"deliver_{suffix}", words, facts)
    if terms.hazmat_un is not None:
        words = f"declares dangerous goods UN {terms.hazmat_un:04d}"
        yield _due(terms, _H, Duty.DECLARE, ships, units, "hazmat_un", words, facts)
    known = facts.circumstances
    if terms.export_class is not None and known.crosses_border:
        who = _M if terms.incoterm.value == "EXW" else _H
        words = f"gets the export of the units ({terms.export_class}) licensed"
        yield _due(terms, who, Duty.LICENSE, ships, units, "export_class", words, facts)


def _asked(terms: TermsV2, facts: Facts, happened: Happened) -> Iterator[Due]:
    needs = needed(terms, facts, happened.act, happened.units, happened.at)
    if needs.need in (Need.NOTICE, Need.OFFER, Need.CONSENT):
        by = counted(terms, happened.at, needs.days, facts.zone)
        yield _due(terms, _M, Duty.ANSWER, by, happened.units, needs.days_term, "answers the holder", facts)


def _received(terms: TermsV2, facts: Facts, happened: Happened) -> Iterator[Due]:
    by, words = (
        inspect_by(terms, happened.at, facts.zone),
        "accepts or rejects the units (what is not rejected is accepted)",
    )
    yield _due(terms, _M, Duty.INSPECT, by, happened.units, "inspection_days", words, facts)
    if terms.clause == "access-back":
        by = after_days(happened.at, terms.replace_days, facts.zone)
        words = "sends equal units, or has bought those that it drew"
        yield _due(terms, _M, Duty.REPLACE, by, happened.units, "replace_days", words, facts)


def _accepted(terms: TermsV2, facts: Facts, happened: Happened) -> Iterator[Due]:
    if happened.amount is not None and happened.amount.amount:
        by, words = pay_by(terms, happened.at, facts.zone), f"pays {happened.amount}"
        yield _due(terms, _M, Duty.PAY, by, happened.units, "payment_days", words, facts, happened.amount)


def _acted(terms: TermsV2, facts: Facts, happened: Happened) -> Iterator[Due]:
    by = after_days(happened.at, terms.report_within_days, facts.zone)
    yield _due(terms, _H, Duty.REPORT, by, happened.units, "report_within_days", "reports it", facts)
    if terms.clause == "title-kept" and happened.act is not Act.MOVE_SITE:
        taken = title_kept.withdrawal(terms, facts, happened.units, happened.at)
        words = f"pays {taken.price} for what it took out"
        yield _due(terms, _H, Duty.PAY, taken.pay_by, happened.units, "withdrawal_days", words, facts, taken.price)


def _year_ended(terms: TermsV2, facts: Facts, happened: Happened) -> Iterator[Due]:
    keep = min(minimum(terms, facts, _day_before(happened.at, facts)), facts.remaining)
    if terms.storage_fee_bp and keep:
        fee = facts.sale_price.share(terms.storage_fee_bp, terms.rounding) * keep
        words = f"pays {fee} for keeping {phrases.count(keep, 'unit')} for a year"
        by = after_days(happened.at, terms.payment_days, facts.zone)
        yield _due(terms, _M, Duty.PAY, by, keep, "storage_fee_bp", words, facts, fee)


def _day_before(at: datetime, facts: Facts) -> date:
    return local_day(at - timedelta(microseconds=1), facts.zone)


def _counted(terms: TermsV2, facts: Facts, happened: Happened) -> Iterator[Due]:
    by = after_days(happened.at, terms.report_within_days, facts.zone)
    yield _due(terms, _H, Duty.REPORT, by, happened.units, "report_within_days", "reports the count", facts)
    yield from _next_count(terms, facts, happened.at)


def _missed(terms: TermsV2, facts: Facts, happened: Happened) -> Iterator[Due]:
    if terms.cure_days:
        by, words = default_from(terms, facts, happened.at), "makes good what it missed, before remedies beyond delay"
        yield _due(terms, _H, Duty.CURE, by, happened.units, "cure_days", words, facts)


def _ended(terms: TermsV2, facts: Facts, _: Happened) -> Iterator[Due]:
    end = end_of_term(terms, facts)
    if terms.survival_months:
        by = end_of_day(end.survives_until, facts.zone)
        yield _due(
            terms, _H, Duty.REPORT, by, facts.remaining, "survival_months", "goes on reporting and counting", facts
        )
    if terms.clause == "title-kept" and facts.remaining:
        by, count = title_kept.end_by(terms, facts), phrases.count(facts.remaining, "unit")
        if terms.at_end is AtEnd.RETURNED:
            yield _due(terms, _H, Duty.SEND_BACK, by, facts.remaining, "at_end", f"sends {count} back", facts)
        else:
            price = facts.sale_price * facts.remaining
            words = f"pays {price} for {count} left"
            yield _due(terms, _H, Duty.PAY, by, facts.remaining, "at_end", words, facts, price)


_FOLLOWS = {
    Event.SIGNED: _signed,
    Event.ORDERED: _ordered,
    Event.ASKED: _asked,
    Event.RECEIVED: _received,
    Event.ACCEPTED: _accepted,
    Event.ACTED: _acted,
    Event.YEAR_ENDED: _year_ended,
    Event.COUNTED: _counted,
    Event.MISSED: _missed,
    Event.ENDED: _ended,
}
