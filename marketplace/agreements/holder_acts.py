"""What the holder may do with encumbered units, and what a loss costs."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import NamedTuple

from marketplace.agreements import phrases
from marketplace.agreements.deadlines import Window, after_days, counted, window
from marketplace.agreements.facts import Facts
from marketplace.agreements.outcomes import Act, AfterNotice, Free, LossOutcome, Need, Reason, RefusalCode, Refused
from marketplace.agreements.reach import declining_day, minimum, newly_below, reason, suspended, usable
from marketplace.agreements.term_kinds import (
    AtEnd,
    ConsentSilence,
    DayCount,
    NoticeSilence,
    ResaleRule,
    ScrapRule,
    Title,
    UseRule,
)
from marketplace.agreements.terms import AppliesTo, Party, Terms, UseClass
from marketplace.agreements.use_allowance import allowance_on
from marketplace.kit.clock import local_day
from marketplace.kit.errors import invalid

HolderAnswer = Free | AfterNotice | Refused
_DOING = {
    Act.MOVE_SITE: "moved",
    Act.USE: "used up in production",
    Act.INSTALL: "fitted",
    Act.SCRAP: "scrapped",
    Act.RESELL: "sold on",
}


class Needed(NamedTuple):
    """What an act waits for (None: nothing) and the term that says so; how many days the manufacturer has to answer, and
    the term that says that."""

    need: Need | None
    term: str
    days: int = 0
    days_term: str = ""


def evaluate(
    terms: Terms, facts: Facts, act: Act, quantity: int, now: datetime, *, noticed_at: datetime | None = None
) -> HolderAnswer:
    """May the holder do ``act`` with ``quantity`` units now.

    ``noticed_at`` is when the holder's notice of just this act reached the manufacturer, who has not ordered the
    units; while its clearance lasts the answer is Free. Raises ``act.quantity`` for fewer than one unit.
    """
    if quantity < 1:
        raise invalid("act.quantity", "Give a quantity of at least one unit.", field="quantity")
    stopped = frozen(facts, now)
    if stopped:
        return stopped
    if quantity > facts.remaining and terms.clause == "title-kept" and facts.circumstances.unpaid:
        return _taken_unpaid(terms, facts, act)
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
        return _after_window(terms, facts, act, quantity, span)
    if act is Act.MOVE_SITE:
        return _move(terms, facts, quantity, now)
    refused = (
        _forbidden(terms, act)
        or _not_paid(terms, facts, act, quantity)
        or _not_enough(terms, facts, act, quantity, now)
    )
    if refused:
        return refused
    needs = needed(terms, facts, act, quantity, now)
    if needs.need is None:
        return _free(terms, facts, act, now, needs.term)
    if act is Act.RESELL and terms.generation == 1:
        return _resell(terms)
    if needs.need is Need.ACCESSION:
        return _accession(terms)
    return _after_notice(terms, facts, act, quantity, now, noticed_at, needs)


def needed(terms: Terms, facts: Facts, act: Act, quantity: int, now: datetime) -> Needed:
    """What the terms ask for before ``act`` is done with so many units above the minimum to keep."""
    if terms.generation == 1:
        if act is Act.RESELL:
            return Needed(Need.CONSENT, "resale")
        # Under a FLOOR right the units above the minimum are the holder's own business.
        if terms.applies_to is AppliesTo.FLOOR:
            return Needed(None, "applies_to")
        if act is Act.SCRAP:
            return Needed(Need.OFFER, "scrap_notice_days", terms.scrap_notice_days, "scrap_notice_days")
        if terms.use_free_above_minimum:
            return Needed(None, "use_free_above_minimum")
        return Needed(Need.NOTICE, "use_notice_days", terms.use_notice_days, "use_notice_days")
    if terms.applies_to is AppliesTo.FLOOR and (act is not Act.RESELL or terms.clause == "first-refusal"):
        left = facts.remaining - facts.held - quantity
        if terms.clause != "first-refusal" or left >= minimum(terms, facts, declining_day(terms, facts, now)):
            return Needed(None, "applies_to")
    if act is Act.RESELL:
        need = _RESALE[terms.resale]
        return Needed(need, "resale", terms.resale_notice_days, "resale_notice_days")
    if act is Act.SCRAP:
        return Needed(_SCRAP[terms.scrap_rule], "scrap_rule", terms.scrap_notice_days, "scrap_notice_days")
    if terms.use_allowance is not None:
        left = allowance_on(terms.use_allowance, facts, local_day(now, facts.zone)).left
        if quantity <= left:
            return Needed(None, "use_allowance")
    return Needed(_USE[terms.use_rule], "use_rule", terms.use_notice_days, "use_notice_days")


_RESALE = {
    ResaleRule.FREE: None,
    ResaleRule.OFFER_FIRST: Need.OFFER,
    ResaleRule.CONSENT: Need.CONSENT,
    ResaleRule.ACCESSION: Need.ACCESSION,
    ResaleRule.NOT_ALLOWED: Need.CONSENT,
}
_SCRAP = {ScrapRule.FREE: None, ScrapRule.OFFER_FIRST: Need.OFFER, ScrapRule.CONSENT: Need.CONSENT}
_USE = {
    UseRule.FREE: None,
    UseRule.WITHIN_ALLOWANCE: Need.NOTICE,
    UseRule.AFTER_NOTICE: Need.NOTICE,
    UseRule.CONSENT: Need.CONSENT,
}


def _after_window(terms: Terms, facts: Facts, act: Act, quantity: int, span: Window) -> HolderAnswer:
    if quantity > facts.remaining - facts.held:
        return _reserved(facts, act)
    if terms.clause == "title-kept":
        words = f"The units stayed the manufacturer's until {phrases.day(span.last_day)}: what is left goes back."
        if terms.at_end is AtEnd.PURCHASED:
            words = f"What was left on {phrases.day(span.last_day)} is bought: its price is owed."
            return Free(None, words, (reason(terms, "at_end", words),))
        grounds = (reason(terms, "at_end", words),)
        return Refused(RefusalCode.WINDOW_CLOSED, words, "Ask the manufacturer to sell them.", None, grounds)
    words = f"The manufacturer's right ended on {phrases.day(span.last_day)}: the units may be {_DOING[act]}."
    return Free(None, words, (reason(terms, "window_end_months", words),))


def frozen(facts: Facts, now: datetime) -> Refused | None:
    """What keeps every unit where and as it is at ``now``, whatever the terms say."""
    if facts.out_of_force:
        return Refused(RefusalCode.NOT_IN_FORCE, facts.out_of_force, "Nothing is done under it.", None, ())
    if facts.legal_hold:
        words = "The units are under legal hold: they stay where and as they are."
        return Refused(RefusalCode.LEGAL_HOLD, words, "Possible again when the hold is lifted.", None, ())
    if facts.suspended:
        words = "The agreement is suspended: the units stay where and as they are."
        return suspended(facts, now, words)
    return None


def _taken_unpaid(terms: Terms, facts: Facts, act: Act) -> Refused:
    unpaid = phrases.count(facts.circumstances.unpaid, "unit")
    words = f"{unpaid} count as taken out and are the manufacturer's until they are paid; they may not be {_DOING[act]} before."
    return Refused(RefusalCode.NOT_PAID, words, "Possible once they are paid.", None, (reason(terms, "title", words),))


def _not_paid(terms: Terms, facts: Facts, act: Act, quantity: int) -> Refused | None:
    if terms.generation == 1 or terms.clause == "title-kept" or terms.title is not Title.RETAINED_UNTIL_PAID:
        return None
    unpaid = facts.circumstances.unpaid
    if facts.circumstances.paid and quantity <= facts.remaining - unpaid:
        return None
    if facts.circumstances.paid and unpaid < facts.remaining:
        words = (
            f"{unpaid:,} of {phrases.count(facts.remaining, 'unit')} are the manufacturer's until they are paid; at most "
            f"{facts.remaining - unpaid:,} may be {_DOING[act]} before."
        )
        return Refused(
            RefusalCode.NOT_PAID, words, "Possible once they are paid.", None, (reason(terms, "title", words),)
        )
    words = f"The units are the manufacturer's until they are paid; they may not be {_DOING[act]} before."
    return Refused(RefusalCode.NOT_PAID, words, "Possible once they are paid.", None, (reason(terms, "title", words),))


def _forbidden(terms: Terms, act: Act) -> Refused | None:
    spare, production = UseClass.NON_CAPITAL_SPARE, UseClass.INTERMEDIATE_GOOD
    if (act, terms.use_class) in {(Act.USE, spare), (Act.INSTALL, production)}:
        bought_for = "as spares to be fitted" if terms.use_class is spare else "to be used up in production"
        words = f"The units were bought {bought_for}; they may not be {_DOING[act]}."
        return Refused(
            RefusalCode.WRONG_USE, words, "Ask the manufacturer to agree.", None, (reason(terms, "use_class", words),)
        )
    if act is Act.RESELL and terms.resale.value == "not_allowed":
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


def _looked_for(facts: Facts, act: Act) -> Refused:
    words = f"{phrases.units_are(facts.withdrawn)} being looked for and cannot be {_DOING[act]}."
    return Refused(
        RefusalCode.WITHDRAWN,
        words,
        "Possible when a count has found them; if they are gone, say under missing units what became of them.",
        None,
        (),
    )


def _not_enough(terms: Terms, facts: Facts, act: Act, quantity: int, now: datetime) -> Refused | None:
    on = declining_day(terms, facts, now)
    most = usable(terms, facts, on)
    if quantity <= most:
        return None
    loose = facts.remaining - facts.held
    if quantity > loose:
        return _reserved(facts, act)
    if quantity > loose - facts.in_transit:
        words = f"{phrases.units_are(facts.in_transit)} on the way between two sites."
        return Refused(RefusalCode.IN_TRANSIT, words, "Possible when they have arrived.", None, ())
    if quantity > loose - facts.in_transit - facts.quality_held:
        words = f"{phrases.units_are(facts.quality_held)} on quality hold and cannot be {_DOING[act]}."
        return Refused(RefusalCode.QUALITY_HOLD, words, "Possible when the quality hold is lifted.", None, ())
    if quantity > loose - facts.in_transit - facts.quality_held - facts.withdrawn:
        return _looked_for(facts, act)
    words = _floor(minimum(terms, facts, on), facts, most, quantity, act)
    return Refused(
        RefusalCode.BELOW_MINIMUM,
        words,
        (f"Take {most:,} or fewer. " if most else "")
        + "No notice opens what must be kept: ring the manufacturer, who can order units back, a broken one too.",
        None,
        (reason(terms, "minimum_to_keep", words),),
    )


def _floor(keep: int, facts: Facts, most: int, quantity: int, act: Act) -> str:
    """What the minimum to keep leaves of the units, in words that hold where fewer are left than must be kept."""
    remaining, held = facts.remaining, facts.held
    left = f"{phrases.count(remaining, 'unit')} {'is' if remaining == 1 else 'are'} left"
    if not most:
        besides = f", {held:,} of them reserved" if held else ""
        return f"At least {phrases.count(keep, 'unit')} must be kept and {left}{besides}: none may be {_DOING[act]}."
    be = "was" if quantity == 1 else "were"
    return (
        f"{keep:,} of {phrases.count(remaining, 'unit')} must be kept{f' and {held:,} are reserved' if held else ''}: at most {most:,} may be {_DOING[act]}; "
        f"{quantity:,} {be} asked for."
    )


def _move(terms: Terms, facts: Facts, quantity: int, now: datetime) -> HolderAnswer:
    loose = facts.remaining - facts.held
    if quantity > loose:
        return _reserved(facts, Act.MOVE_SITE)
    if quantity > loose - facts.in_transit:
        words = f"{phrases.units_are(facts.in_transit)} already on the way between two sites."
        return Refused(RefusalCode.IN_TRANSIT, words, "Possible when they have arrived.", None, ())
    if quantity > loose - facts.in_transit - facts.withdrawn:
        return _looked_for(facts, Act.MOVE_SITE)
    return _free(terms, facts, Act.MOVE_SITE, now)


def _free(terms: Terms, facts: Facts, act: Act, now: datetime, term: str = "") -> Free:
    report = after_days(now, terms.report_within_days, facts.zone)
    words = f"May be {_DOING[act]} without asking; report it by {phrases.deadline(report, facts.zone)}."
    grounds: tuple[Reason, ...] = (reason(terms, "report_within_days", words),)
    if act is not Act.MOVE_SITE:
        grounds = (reason(terms, term, _why_free(terms, facts, term, now)), *grounds)
    return Free(report, words, grounds)


def _why_free(terms: Terms, facts: Facts, term: str, now: datetime) -> str:
    if term == "use_allowance" and terms.generation == 2 and terms.use_allowance is not None:
        state = allowance_on(terms.use_allowance, facts, local_day(now, facts.zone))
        return f"Within the allowance: {phrases.count(state.left, 'unit')} left until {phrases.day(state.last_day)}."
    if terms.clause == "first-refusal" and term == "applies_to":
        return "Only the last units, as many as the minimum, are offered first."
    return "Units above the minimum to keep are free."


def _after_notice(
    terms: Terms, facts: Facts, act: Act, quantity: int, now: datetime, noticed_at: datetime | None, needs: Needed
) -> HolderAnswer:
    clear_from = counted(terms, noticed_at or now, needs.days, facts.zone)
    # The last day of the clearance is a whole calendar day.
    clear_until = after_days(clear_from - timedelta(microseconds=1), terms.clearance_days, facts.zone)
    if not _clears_by_silence(terms, needs):
        return _only_by_yes(terms, facts, act, needs, clear_from)
    if noticed_at is not None and now >= clear_until:
        return _after_notice(terms, facts, act, quantity, now, None, needs)
    if noticed_at is not None and now >= clear_from:
        report = after_days(now, terms.report_within_days, facts.zone)
        words = f"Cleared: may be {_DOING[act]} until {phrases.deadline(clear_until, facts.zone)}."
        return Free(report, words, (reason(terms, needs.days_term, words), reason(terms, "clearance_days", words)))
    asked = {
        Need.OFFER: "First offer the units to the manufacturer: it has {} to order them back.",
        Need.CONSENT: "First ask the manufacturer: it has {} to say no.",
    }.get(needs.need or Need.NOTICE, "First give the manufacturer notice: it has {} to order them back.")
    words = (
        f"{asked.format(phrases.count(needs.days, _day_word(terms)))} "
        f"After {phrases.deadline(clear_from, facts.zone)} they may be {_DOING[act]}, "
        f"until {phrases.deadline(clear_until, facts.zone)}."
    )
    return AfterNotice(
        needs.need or Need.NOTICE,
        clear_from,
        clear_until,
        act is Act.RESELL and terms.runs_with_the_unit,
        words,
        (*_rule(terms, needs, words), reason(terms, needs.days_term, words), reason(terms, "clearance_days", words)),
    )


def _day_word(terms: Terms) -> str:
    return "day" if terms.day_count is DayCount.CALENDAR else "business day"


def _rule(terms: Terms, needs: Needed, words: str) -> tuple[Reason, ...]:
    """The terms of the second library that say what is asked and what silence means; the first states neither."""
    if terms.generation == 1:
        return ()
    silence = "silence_on_consent" if needs.need is Need.CONSENT else "silence_on_notice"
    return (reason(terms, needs.term, words), reason(terms, silence, words))


def _clears_by_silence(terms: Terms, needs: Needed) -> bool:
    if terms.generation == 1:
        return True
    if needs.need is Need.CONSENT:
        return terms.silence_on_consent is ConsentSilence.GIVEN
    return terms.silence_on_notice is NoticeSilence.CLEARED


def _only_by_yes(terms: Terms, facts: Facts, act: Act, needs: Needed, answer_by: datetime) -> AfterNotice:
    asked = "Ask the manufacturer" if needs.need is Need.CONSENT else "Give the manufacturer notice"
    by = phrases.deadline(answer_by, facts.zone)
    words = f"{asked}: it answers by {by}, and no response is a no. Without its yes they may not be {_DOING[act]}."
    return AfterNotice(
        needs.need or Need.CONSENT,
        None,
        None,
        act is Act.RESELL and terms.runs_with_the_unit,
        words,
        (*_rule(terms, needs, words), reason(terms, needs.days_term, words)),
    )


def _accession(terms: Terms) -> AfterNotice:
    words = "Sell on without asking, once the buyer has taken the clause over in writing; before that no title passes."
    return AfterNotice(Need.ACCESSION, None, None, True, words, (reason(terms, "resale", words),))


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


def loss_outcome(terms: Terms, facts: Facts, quantity: int, on: date | None = None) -> LossOutcome:
    """Who bears ``quantity`` units of ``facts.remaining`` that were lost or destroyed in the holder's custody. ``on``: the
    day of the loss, since the minimum to keep declines, and ends with the window.

    Compensation is owed only by a holder that bears the loss, and only for units missing from the minimum.
    """
    if not 1 <= quantity <= facts.remaining:
        raise invalid("loss.quantity", "Give a quantity between one and what remains.", field="quantity")
    short = newly_below(terms, facts, quantity, on)
    owed = short if terms.loss_bearer is Party.HOLDER else 0
    compensation = facts.sale_price.share(terms.loss_compensation_bp, terms.rounding) * owed
    words = (
        f"The loss is borne by the {terms.loss_bearer}; {phrases.units_are(short)} missing from the "
        f"minimum to keep. Compensation: {compensation}."
    )
    return LossOutcome(
        terms.loss_bearer,
        short,
        compensation,
        words,
        (reason(terms, "loss_bearer", words), reason(terms, "loss_compensation_bp", words)),
    )
