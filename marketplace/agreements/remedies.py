"""What is owed where something went wrong: late delivery, cover, units missing from the minimum to keep. Every damage has a
cap, and no two are paid for the same unit and the same cause."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from marketplace.agreements import phrases
from marketplace.agreements.deadlines import counted
from marketplace.agreements.facts import Facts
from marketplace.agreements.outcomes import Reason
from marketplace.agreements.reach import minimum, newly_below, reason
from marketplace.agreements.terms import Party
from marketplace.agreements.terms_v2 import TermsV2
from marketplace.kit.clock import local_day, require_utc
from marketplace.kit.errors import invalid
from marketplace.kit.money import Money


class Damages(NamedTuple):
    """What the holder owes, and whether the cap held it."""

    amount: Money
    capped: bool
    words: str
    reasons: tuple[Reason, ...]


class CountResult(NamedTuple):
    """A count against the record. ``breach``: more is missing than the tolerance allows, or fewer than the minimum are
    left; ``below_minimum``: units missing from the minimum by the holder's act."""

    recorded: int
    counted: int
    missing: int
    tolerated: int
    breach: bool
    below_minimum: int
    words: str
    reasons: tuple[Reason, ...]


def late_damages(terms: TermsV2, facts: Facts, value: Money, due: datetime, delivered: datetime) -> Damages:
    """``min(periods begun x share, cap) x value`` for units worth ``value`` that were due by ``due`` (exclusive) and came at
    ``delivered``. Days of delay are calendar days at the holder's site; a delivery on the day of the deadline is in time."""
    # A bound at midnight is the end of the day before: who delivers on the day after that is one day late.
    last = local_day(require_utc(due) - timedelta(microseconds=1), facts.zone)
    days = (local_day(require_utc(delivered), facts.zone) - last).days
    nothing = Money(value.amount * 0, value.currency)
    if days <= 0:
        return Damages(nothing, False, "Delivered in time: nothing is owed.", ())
    if not terms.late_share_bp or terms.late_cap_bp is None:
        words = "Nothing is paid for late delivery."
        return Damages(nothing, False, words, (reason(terms, "late_share_bp", words),))
    periods = -(-days // terms.late_period_days)
    share = periods * terms.late_share_bp
    capped = share > terms.late_cap_bp
    amount = value.share(min(share, terms.late_cap_bp), terms.rounding)
    words = (
        f"{phrases.count(days, 'day')} late, {phrases.count(periods, 'period')} begun at "
        f"{phrases.percent(terms.late_share_bp)} of {value}"
        f"{f', held at {phrases.percent(terms.late_cap_bp)}' if capped else ''}: {amount}."
    )
    terms_named = ("late_share_bp", "late_period_days", *(("late_cap_bp",) if capped else ()))
    return Damages(amount, capped, words, tuple(reason(terms, name, words) for name in terms_named))


def due_by(terms: TermsV2, ship_by: datetime, deliver_by: datetime | None) -> datetime:
    """The deadline that counts for delay: where the manufacturer's carrier brings the units, that they are with it; where the
    holder's does, that they have arrived."""
    return ship_by if terms.freight_payer is Party.MANUFACTURER or deliver_by is None else deliver_by


def delivered_at(terms: TermsV2, shipped_at: datetime, received_at: datetime) -> datetime:
    """The moment that is held against ``due_by``."""
    return shipped_at if terms.freight_payer is Party.MANUFACTURER else received_at


def default_from(terms: TermsV2, facts: Facts, due: datetime) -> datetime:
    """From when a missed deadline is a default, once the time to make it good has run too: days counted from the last one of the
    deadline, whose end is the exclusive bound ``due``."""
    last = require_utc(due) - timedelta(microseconds=1)
    return counted(terms, last, terms.cure_days, facts.zone) if terms.cure_days else require_utc(due)


def cover(terms: TermsV2, facts: Facts, contract_price: Money, cover_price: Money, quantity: int) -> Damages:
    """What the holder owes for units bought elsewhere after default: the difference per unit, at most the cap. Raises
    ``call.quantity``."""
    if quantity < 1:
        raise invalid("call.quantity", "Give a quantity of at least one unit.", field="quantity")
    nothing = Money(contract_price.amount * 0, contract_price.currency)
    if not terms.cover_purchase or terms.cover_cap_bp is None:
        words = "The manufacturer may not buy elsewhere at the holder's cost."
        return Damages(nothing, False, words, (reason(terms, "cover_purchase", words),))
    more = cover_price - contract_price
    if more.amount <= 0:
        words = "Elsewhere it costs no more: nothing is owed."
        return Damages(nothing, False, words, (reason(terms, "cover_purchase", words),))
    most = facts.sale_price.share(terms.cover_cap_bp, terms.rounding)
    capped = more.amount > most.amount
    each = most if capped else more.rounded(terms.rounding)
    words = (
        f"{cover_price} elsewhere instead of {contract_price}: {each} a unit"
        f"{f', held at {phrases.percent(terms.cover_cap_bp)} of the price paid' if capped else ''}."
    )
    named = ("cover_purchase", "cover_cap_bp") if capped else ("cover_purchase",)
    return Damages(each * quantity, capped, words, tuple(reason(terms, name, words) for name in named))


def count_result(terms: TermsV2, facts: Facts, counted_units: int, now: datetime) -> CountResult:
    """What a count of ``facts.remaining`` recorded units says. Raises ``count.quantity`` for a negative count."""
    if counted_units < 0:
        raise invalid("count.quantity", "A count is not negative.", field="counted")
    recorded = facts.remaining
    missing = max(recorded - counted_units, 0)
    tolerated = recorded * terms.count_tolerance_bp // 10_000
    below = newly_below(terms, facts, missing, local_day(now, facts.zone))
    breach = missing > tolerated or below > 0
    words = f"{counted_units:,} counted, {recorded:,} recorded: "
    if counted_units > recorded:
        words += "more than recorded, so the record is put right."
    elif not missing:
        words += "as recorded."
    else:
        words += f"{missing:,} missing, {tolerated:,} tolerated"
        words += f", {below:,} of them from the minimum to keep." if below else "."
        words += " That is a breach: count again and say why." if breach else " No breach; the record is put right."
    grounds = [reason(terms, "count_tolerance_bp", words)]
    if below:
        grounds.append(reason(terms, "minimum_to_keep", words))
    return CountResult(recorded, counted_units, missing, tolerated, breach, below, words, tuple(grounds))


def breach_of_minimum(terms: TermsV2, facts: Facts, units_short: int, charged: Money | None = None) -> Damages:
    """What the holder owes for units that are missing from the minimum by its own act; a loss that nobody wanted is paid by
    ``loss_outcome`` instead. ``charged``: what was owed for such units before, since the cap is for all of them together.
    Raises ``call.quantity``."""
    if units_short < 1:
        raise invalid("call.quantity", "Give a quantity of at least one unit.", field="quantity")
    nothing = Money(facts.sale_price.amount * 0, facts.sale_price.currency)
    if not terms.breach_share_bp or terms.breach_cap_bp is None:
        words = "Nothing is paid for units missing from the minimum."
        return Damages(nothing, False, words, (reason(terms, "breach_share_bp", words),))
    owed = facts.sale_price.share(terms.breach_share_bp, terms.rounding) * units_short
    most = (facts.sale_price * minimum(terms, facts)).share(terms.breach_cap_bp, terms.rounding)
    left = most if charged is None else Money(max(most.amount - charged.amount, nothing.amount), most.currency)
    capped = owed.amount > left.amount
    amount = left if capped else owed
    words = (
        f"{phrases.count(units_short, 'unit')} short at {phrases.percent(terms.breach_share_bp)} of {facts.sale_price}"
        f"{f', held at {phrases.percent(terms.breach_cap_bp)} of the minimum' if capped else ''}"
        f"{f', of which {charged} is owed already' if capped and charged is not None and charged.amount else ''}: {amount}."
    )
    named = ("breach_share_bp", "breach_cap_bp") if capped else ("breach_share_bp",)
    return Damages(amount, capped, words, tuple(reason(terms, name, words) for name in named))
