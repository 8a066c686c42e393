"""title-kept/v1: units that stay the manufacturer's in the holder's hands; what is taken out is paid, what is not goes back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from marketplace.agreements import deadlines, exercise, phrases
from marketplace.agreements.deadlines import after_days, window
from marketplace.agreements.exercise import Cost
from marketplace.agreements.facts import Facts
from marketplace.agreements.outcomes import Entitled, Reason, Refused
from marketplace.agreements.reach import reason
from marketplace.agreements.term_kinds import AtEnd, Title
from marketplace.agreements.terms_v2 import TitleKeptV1
from marketplace.kit.clock import add_months, end_of_day
from marketplace.kit.errors import invalid
from marketplace.kit.money import Money


class Withdrawal(NamedTuple):
    """What taking units out costs: their price in all, when it is due, and when they become the holder's."""

    price: Money
    pay_by: datetime
    title_passes_on_payment: bool
    words: str
    reasons: tuple[Reason, ...]


class MustBuy(NamedTuple):
    """Units that count as taken out because they lay too long or because the window has ended."""

    at: datetime
    units: int
    price: Money
    words: str
    reasons: tuple[Reason, ...]


def evaluate(terms: TitleKeptV1, facts: Facts, now: datetime, *, explain: bool = True) -> Entitled | Refused:
    """May the manufacturer take ``facts.requested`` of its units back; it pays the fee for it and no price."""
    fee = facts.sale_price.share(terms.recall_fee_bp, terms.rounding)
    words = f"The units are the manufacturer's: it pays {fee} a unit for sending them, and no price."
    cost = Cost(fee, None, (reason(terms, "recall_fee_bp", words),))
    moment = facts.notice_at or now
    if terms.at_end is AtEnd.RETURNED and moment >= window(terms, facts).closes:
        return _back_at_end(terms, facts, moment, now, explain=explain)
    return exercise.evaluate(terms, facts, now, lambda: cost, explain=explain)


def _back_at_end(
    terms: TitleKeptV1, facts: Facts, moment: datetime, now: datetime, *, explain: bool
) -> Entitled | Refused:
    """What is left after the window goes back; the manufacturer says where to. There is no fee for that: it is no order."""
    last = window(terms, facts).closes - timedelta(microseconds=1)
    by = end_by(terms, facts)
    words = f"What is left goes back by {phrases.deadline(by, facts.zone)}, without a fee."
    free = facts.sale_price * 0
    cost = Cost(free, None, (reason(terms, "at_end", words),))
    answer = exercise.evaluate(terms, replace(facts, notice_at=last), now, lambda: cost, explain=explain)
    if isinstance(answer, Refused):
        return answer
    ordinary = deadlines.ship_by(terms, facts.urgency, moment, facts.zone)
    arrives = deadlines.deliver_by(terms, facts.urgency, moment, facts.zone)
    ship = by if moment < by else ordinary
    later = arrives + (ship - ordinary) if arrives is not None else None
    return answer._replace(respond_by=moment, ship_by=ship, deliver_by=later)


def withdrawal(terms: TitleKeptV1, facts: Facts, quantity: int, taken_at: datetime) -> Withdrawal:
    """What taking ``quantity`` units out at ``taken_at`` costs. Raises ``act.quantity`` for fewer than one, or more than
    are left."""
    if not 1 <= quantity <= facts.remaining:
        raise invalid("act.quantity", "Give a quantity between one and what remains.", field="quantity")
    price = facts.sale_price * quantity
    due = after_days(taken_at, terms.withdrawal_days, facts.zone)
    on_payment = terms.title is Title.RETAINED_UNTIL_PAID
    passes = "once they are paid" if on_payment else "on being taken out"
    words = f"{price} is due by {phrases.deadline(due, facts.zone)}; the units become the holder's {passes}."
    return Withdrawal(
        price, due, on_payment, words, (reason(terms, "withdrawal_days", words), reason(terms, "title", words))
    )


def must_buy(terms: TitleKeptV1, facts: Facts, now: datetime) -> MustBuy | None:
    """Units left that the holder has to buy by ``now``: those that lay too long or, where the terms say so, all that are
    left at the end of the window. None while there are none."""
    if not facts.remaining:
        return None
    span = window(terms, facts)
    price = facts.sale_price * facts.remaining
    count = phrases.count(facts.remaining, "unit")
    if terms.must_buy_months is not None:
        last = add_months(facts.schedule_date, terms.must_buy_months)
        at = end_of_day(last, facts.zone)
        if now >= at:
            words = f"{count} left on {phrases.day(last)} count as taken out: {price}."
            return MustBuy(at, facts.remaining, price, words, (reason(terms, "must_buy_months", words),))
    if terms.at_end is AtEnd.PURCHASED and now >= span.closes:
        words = f"{count} left on {phrases.day(span.last_day)} are bought: {price}."
        return MustBuy(span.closes, facts.remaining, price, words, (reason(terms, "at_end", words),))
    return None


def end_by(terms: TitleKeptV1, facts: Facts) -> datetime:
    """Until when units left at the end of the window have gone back, or are paid."""
    last_moment = window(terms, facts).closes - timedelta(microseconds=1)
    return deadlines.after_days(last_moment, terms.end_return_days, facts.zone)


def ends_of(terms: TitleKeptV1, facts: Facts) -> tuple[datetime | None, datetime | None]:
    """(from when units left count as taken out, until when they have gone back after the window): each None where the terms
    do not say so."""
    closes = window(terms, facts).closes
    counts = [closes] if terms.at_end is AtEnd.PURCHASED else []
    if terms.must_buy_months is not None:
        counts.append(end_of_day(add_months(facts.schedule_date, terms.must_buy_months), facts.zone))
    return min(counts, default=None), (end_by(terms, facts) if terms.at_end is AtEnd.RETURNED else None)
