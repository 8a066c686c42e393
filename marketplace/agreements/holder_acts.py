"""What the holder may do with encumbered units, and what a loss costs."""

from __future__ import annotations

from datetime import datetime, timedelta

from marketplace.agreements import phrases
from marketplace.agreements.deadlines import after_days, window
from marketplace.agreements.facts import Facts
from marketplace.agreements.outcomes import Act, AfterNotice, Free, LossOutcome, Need, Reason, RefusalCode, Refused
from marketplace.agreements.reach import minimum, reason, usable
from marketplace.agreements.terms import AppliesTo, Party, Resale, Terms, UseClass
from marketplace.kit.errors import invalid

HolderAnswer = Free | AfterNotice | Refused
_DOING = {
    Act.MOVE_SITE: "moved",
    Act.USE: "used up in production",
    Act.INSTALL: "fitted",
    Act.SCRAP: "scrapped",
    Act.RESELL: "sold on",
}


def evaluate(
    terms: Terms, facts: Facts, act: Act, quantity: int, now: datetime, *, noticed_at: datetime | None = None
) -> HolderAnswer:
    """May the holder do ``act`` with ``quantity`` units now.

    ``noticed_at`` is when the holder's notice of just this act reached the manufacturer, who has not ordered the
    units; while its clearance lasts the answer is Free. Raises ``act.quantity`` for fewer than one unit.
    """
    if quantity < 1:
        raise invalid("act.quantity", "Give a quantity of at least one unit.", field="quantity")
    frozen = _frozen(facts)
    if frozen:
        return frozen
    if quantity > facts.remaining:
        return Refused(
            RefusalCode.NOTHING_LEFT,
            f"The schedule has {phrases.count(facts.remaining, 'unit')} left; {quantity:,} were given.",
            "Check the count.",
            None,
            (),
        )
    span = window(terms, facts)
    if now >= span.closes:
        unreserved = facts.remaining - facts.held
        if quantity > unreserved:
            return _reserved(facts, act)
        words = f"The manufacturer's right ended on {phrases.day(span.last_day)}: the units may be {_DOING[act]}."
        return Free(None, words, (reason(terms, "window_end_months", words),))
    if act is Act.MOVE_SITE:
        return _move(terms, facts, quantity, now)
    refused = _forbidden(terms, act) or _not_enough(terms, facts, act, quantity)
    if refused:
        return refused
    if act is Act.RESELL:
        return _resell(terms)
    # Under a FLOOR right the units above the minimum are the holder's own business.
    if terms.applies_to is AppliesTo.FLOOR or (act is not Act.SCRAP and terms.use_free_above_minimum):
        return _free(terms, facts, act, now)
    return _after_notice(terms, facts, act, now, noticed_at)


def _frozen(facts: Facts) -> Refused | None:
    if facts.legal_hold:
        words = "The units are under legal hold: they stay where and as they are."
        return Refused(RefusalCode.LEGAL_HOLD, words, "Possible again when the hold is lifted.", None, ())
    if facts.suspended:
        words = "The agreement is suspended: the units stay where and as they are."
        return Refused(RefusalCode.SUSPENDED, words, "Possible again when the suspension is lifted.", None, ())
    return None


def _forbidden(terms: Terms, act: Act) -> Refused | None:
    spare, production = UseClass.NON_CAPITAL_SPARE, UseClass.INTERMEDIATE_GOOD
    if (act, terms.use_class) in {(Act.USE, spare), (Act.INSTALL, production)}:
        bought_for = "as spares to be fitted" if terms.use_class is spare else "to be used up in production"
        words = f"The units were bought {bought_for}; they may not be {_DOING[act]}."
        return Refused(
            RefusalCode.WRONG_USE, words, "Ask the manufacturer to agree.", None, (reason(terms, "use_class", words),)
        )
    if act is Act.RESELL and terms.resale is Resale.NOT_ALLOWED:
        words = "The agreement does not allow these units to be sold on."
        return Refused(
            RefusalCode.RESALE_NOT_ALLOWED,
            words,
            "Offer them back to the manufacturer.",
            None,
            (reason(terms, "resale", words),),
        )
    return None


def _reserved(facts: Facts, act: Act) -> Refused:
    words = (
        f"{facts.held:,} of {phrases.count(facts.remaining, 'unit')} are reserved for the manufacturer's orders "
        f"and cannot be {_DOING[act]}."
    )
    return Refused(RefusalCode.HELD, words, "Possible when the reservation is released.", None, ())


def _not_enough(terms: Terms, facts: Facts, act: Act, quantity: int) -> Refused | None:
    most = usable(terms, facts)
    if quantity <= most:
        return None
    loose = facts.remaining - facts.held
    if quantity > loose:
        return _reserved(facts, act)
    if quantity > loose - facts.in_transit:
        words = f"{phrases.count(facts.in_transit, 'unit')} are on the way between two sites."
        return Refused(RefusalCode.IN_TRANSIT, words, "Possible when they have arrived.", None, ())
    if quantity > loose - facts.in_transit - facts.quality_held:
        words = f"{phrases.count(facts.quality_held, 'unit')} are on quality hold and cannot be {_DOING[act]}."
        return Refused(RefusalCode.QUALITY_HOLD, words, "Possible when the quality hold is lifted.", None, ())
    if quantity > loose - facts.in_transit - facts.quality_held - facts.withdrawn:
        words = f"{phrases.count(facts.withdrawn, 'unit')} were not found on the shelf and cannot be {_DOING[act]}."
        return Refused(RefusalCode.WITHDRAWN, words, "Possible when a count has found them.", None, ())
    words = _floor(minimum(terms, facts), facts.remaining, most, quantity, act)
    return Refused(
        RefusalCode.BELOW_MINIMUM,
        words,
        (f"Take {most:,} or fewer. " if most else "")
        + "No notice opens what must be kept: ring the manufacturer, who can order units back, a broken one too.",
        None,
        (reason(terms, "minimum_to_keep", words),),
    )


def _floor(keep: int, remaining: int, most: int, quantity: int, act: Act) -> str:
    """What the minimum to keep leaves of the units, in words that hold where fewer are left than must be kept."""
    left = f"{phrases.count(remaining, 'unit')} {'is' if remaining == 1 else 'are'} left"
    if not most:
        return f"At least {phrases.count(keep, 'unit')} must be kept and {left}: none may be {_DOING[act]}."
    be = "was" if quantity == 1 else "were"
    return (
        f"{keep:,} of {phrases.count(remaining, 'unit')} must be kept: at most {most:,} may be {_DOING[act]}; "
        f"{quantity:,} {be} asked for."
    )


def _move(terms: Terms, facts: Facts, quantity: int, now: datetime) -> HolderAnswer:
    loose = facts.remaining - facts.held
    if quantity > loose:
        return _reserved(facts, Act.MOVE_SITE)
    if quantity > loose - facts.in_transit:
        words = f"{phrases.count(facts.in_transit, 'unit')} are already on the way between two sites."
        return Refused(RefusalCode.IN_TRANSIT, words, "Possible when they have arrived.", None, ())
    return _free(terms, facts, Act.MOVE_SITE, now)


def _free(terms: Terms, facts: Facts, act: Act, now: datetime) -> Free:
    report = after_days(now, terms.report_within_days, facts.zone)
    words = f"May be {_DOING[act]} without asking; report it by {phrases.deadline(report, facts.zone)}."
    term = "applies_to" if terms.applies_to is AppliesTo.FLOOR else "use_free_above_minimum"
    grounds: tuple[Reason, ...] = (reason(terms, "report_within_days", words),)
    if act is not Act.MOVE_SITE:
        grounds = (reason(terms, term, "Units above the minimum to keep are free."), *grounds)
    return Free(report, words, grounds)


def _after_notice(terms: Terms, facts: Facts, act: Act, now: datetime, noticed_at: datetime | None) -> HolderAnswer:
    needs, term, days = (
        (Need.OFFER, "scrap_notice_days", terms.scrap_notice_days)
        if act is Act.SCRAP
        else (Need.NOTICE, "use_notice_days", terms.use_notice_days)
    )
    clear_from = after_days(noticed_at or now, days, facts.zone)
    # Calendar days again: the last day of the clearance is a whole day.
    clear_until = after_days(clear_from - timedelta(microseconds=1), terms.clearance_days, facts.zone)
    if noticed_at is not None and now >= clear_until:
        return _after_notice(terms, facts, act, now, None)
    if noticed_at is not None and now >= clear_from:
        report = after_days(now, terms.report_within_days, facts.zone)
        words = f"Cleared: may be {_DOING[act]} until {phrases.deadline(clear_until, facts.zone)}."
        return Free(report, words, (reason(terms, term, words), reason(terms, "clearance_days", words)))
    asked = "First offer the units to the manufacturer" if needs is Need.OFFER else "First give the manufacturer notice"
    words = (
        f"{asked}: it has {phrases.count(days, 'day')} to order them back. "
        f"After {phrases.deadline(clear_from, facts.zone)} they may be {_DOING[act]}, "
        f"until {phrases.deadline(clear_until, facts.zone)}."
    )
    return AfterNotice(
        needs,
        clear_from,
        clear_until,
        False,
        words,
        (reason(terms, term, words), reason(terms, "clearance_days", words)),
    )


def _resell(terms: Terms) -> AfterNotice:
    words = "Sell on only with the manufacturer's written consent; no response is a no."
    if terms.runs_with_the_unit:
        carry = "The right stays on the units: the buyer must take it over in writing before title passes."
    else:
        carry = "The right ends on units sold with consent."
    return AfterNotice(
        Need.CONSENT,
        None,
        None,
        terms.runs_with_the_unit,
        f"{words} {carry}",
        (reason(terms, "resale", words), reason(terms, "runs_with_the_unit", carry)),
    )


def loss_outcome(terms: Terms, facts: Facts, quantity: int) -> LossOutcome:
    """Who bears ``quantity`` units of ``facts.remaining`` that were lost or destroyed in the holder's custody.

    Compensation is owed only by a holder that bears the loss, and only for units missing from the minimum.
    """
    if not 1 <= quantity <= facts.remaining:
        raise invalid("loss.quantity", "Give a quantity between one and what remains.", field="quantity")
    keep = min(minimum(terms, facts), facts.remaining)
    short = max(keep - (facts.remaining - quantity), 0)
    owed = short if terms.loss_bearer is Party.HOLDER else 0
    compensation = facts.sale_price.share(terms.loss_compensation_bp, terms.rounding) * owed
    words = (
        f"The loss is borne by the {terms.loss_bearer}; {phrases.count(short, 'unit')} are missing from the "
        f"minimum to keep. Compensation: {compensation}."
    )
    return LossOutcome(
        terms.loss_bearer,
        short,
        compensation,
        words,
        (reason(terms, "loss_bearer", words), reason(terms, "loss_compensation_bp", words)),
    )
