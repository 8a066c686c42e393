"""What a clause of the second library means for units as they stand, in sentences for pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from marketplace.agreements import phrases
from marketplace.agreements.calendars import calendar_name
from marketplace.agreements.condition import PAPERS_WORDS
from marketplace.agreements.deadlines import window
from marketplace.agreements.facts import Facts
from marketplace.agreements.pricing import price_on
from marketplace.agreements.reach import minimum
from marketplace.agreements.renewal import end_of_term
from marketplace.agreements.term_kinds import AtEnd, Papers, Renewal, ResaleRule, ScrapRule, Title, UseRule
from marketplace.agreements.term_words import grade_words, own_words, price_words
from marketplace.agreements.terms import AppliesTo, Party, TermsV2, UseClass
from marketplace.agreements.terms_v2 import AccessBackV2, BuyBackV2, FirstRefusalV1, TitleKeptV1

SHORT_NAMES = {
    "buy-back": "Buy-back",
    "access-back": "Access",
    "first-refusal": "First refusal",
    "title-kept": "Title kept",
}


def term_text(terms: TermsV2, name: str) -> str:
    """A term as it reads in its blank."""
    return own_words(terms, name) or ""


def badge_texts(terms: TermsV2, facts: Facts, *, to_maker: bool) -> tuple[str, str]:
    """('Buy-back · until Nov 2034', the sentence behind it), to the holder or to the maker."""
    span = window(terms, facts)
    until = phrases.month(span.last_day)
    between = f"from {phrases.month(span.first_day)} until {until}" if terms.window_start_months else f"until {until}"
    hours, days = terms.notice_hours_machine_down, terms.notice_days_stock
    notice = f"notice {phrases.count(hours, 'hour')} (machine down) to {phrases.count(days, 'day')} (stock)"
    keep = minimum(terms, facts)
    keeps = "the holder keeps" if to_maker else "keep"
    which = {
        AppliesTo.ALL: "",
        AppliesTo.FREE: ", which stay the holder's" if to_maker else ", which stay yours",
        AppliesTo.FLOOR: ", and only those",
    }[terms.applies_to]
    kept = f"; {keeps} {keep:,} of {facts.accepted:,}{which}" if keep and terms.clause != "first-refusal" else ""
    return f"{SHORT_NAMES[terms.clause]} · until {until}", f"{_badge_head(terms, facts, between, notice)}{kept}."


def _badge_head(terms: TermsV2, facts: Facts, between: str, notice: str) -> str:
    if terms.clause == "buy-back":
        price = price_on(terms, facts, facts.schedule_date)
        return f"May be bought back {between} at {_price_now(terms, facts)} ({price.words}), {notice}"
    if terms.clause == "access-back":
        within = phrases.count(terms.replace_days, "day")
        return f"May be drawn {between}, {notice}; replaced within {within} or bought at {_price_now(terms, facts)}"
    if terms.clause == "first-refusal":
        return f"Offered to the manufacturer first {between}, before units are {_before(terms)}"
    return f"Stays the manufacturer's until taken out; may be taken back {between}, {notice}"


def _price_now(terms: BuyBackV2 | AccessBackV2 | FirstRefusalV1, facts: Facts) -> str:
    """The price as it would be on the schedule date; of a price that moves it is where it starts."""
    amount = price_on(terms, facts, facts.schedule_date).amount
    if terms.price.kind in ("fixed", "percent_of_sale"):
        return str(amount)
    return f"{amount} {'at first' if terms.price.kind in ('schedule', 'cost_plus') else 'as things stand'}"


def _before(terms: FirstRefusalV1) -> str:
    said = [
        words
        for asked, words in (
            (terms.use_rule in (UseRule.AFTER_NOTICE, UseRule.WITHIN_ALLOWANCE), "used"),
            (terms.resale is ResaleRule.OFFER_FIRST, "sold on"),
            (terms.scrap_rule is ScrapRule.OFFER_FIRST, "scrapped"),
        )
        if asked
    ]
    return phrases.listed(said, "or")


def summary_texts(
    terms: TermsV2, facts: Facts, beside: Sequence[TermsV2] = (), *, acts: bool = True
) -> tuple[str, ...]:
    """What the clause means for this schedule, in sentences to the holder, with dates and amounts. Of what the holder does with
    units is said what it and the clauses ``beside`` it come to; nothing at all without ``acts``."""
    return (
        *_right(terms, facts),
        *_orders(terms),
        *_clock(terms),
        *_keeping(terms, facts, beside, acts=acts),
        *_end(terms, facts),
    )


def _orders(terms: TermsV2) -> Iterator[str]:
    """What one order may be for, how many there may be, and when there are none."""
    if terms.partial_minimum > 1 or terms.partial_multiple > 1:
        multiple = f", in multiples of {terms.partial_multiple:,}" if terms.partial_multiple > 1 else ""
        yield f"One order is for at least {phrases.count(terms.partial_minimum, 'unit')}{multiple}, or for all that can be ordered then."
    if terms.max_exercises is not None:
        yield f"There can be {phrases.count(terms.max_exercises, 'order')} at most."
    if terms.clause != "first-refusal" and terms.blackouts:
        yield (
            f"No orders are given from {term_text(terms, 'blackouts')}, of every year. "
            f"{term_text(terms, 'blackout_machine_down')}."
        )


def _right(terms: TermsV2, facts: Facts) -> Iterator[str]:
    span = window(terms, facts)
    dates = f"From {phrases.day(span.first_day)} until {phrases.day(span.last_day)}"
    if terms.clause == "title-kept":
        yield from _kept(terms, facts, dates)
        return
    if terms.clause == "first-refusal":
        which = {
            AppliesTo.ALL: "any unit",
            AppliesTo.FREE: "units above the minimum to keep",
            AppliesTo.FLOOR: f"the last {minimum(terms, facts):,}",
        }[terms.applies_to]
        yield f"{dates} you offer {which} to the manufacturer before units are {_before(terms)}."
        handling = f", and {phrases.percent(terms.handling_bp)} of it for handling" if terms.handling_bp else ""
        yield f"For a unit that it takes you get {price_words(terms.price)}{handling}."
        yield from _bounds(terms)
        return
    keep = minimum(terms, facts)
    reach = {
        AppliesTo.ALL: "any unit you still have",
        AppliesTo.FREE: "units above the minimum to keep",
        AppliesTo.FLOOR: f"up to {phrases.count(keep, 'unit')}, the minimum to keep",
    }[terms.applies_to]
    most = ""
    if terms.max_units is not None:
        most = f", at most {phrases.count(terms.max_units, 'unit')} within {phrases.count(terms.max_units_months, 'month')}"
    yield f"{dates} the manufacturer may {'order back' if terms.clause == 'buy-back' else 'draw'} {reach}{most}."
    price = price_on(terms, facts, facts.schedule_date)
    if terms.clause == "buy-back":
        yield (
            f"The price of the schedule, which sums here are reckoned from, is {facts.sale_price} a unit; you get "
            f"{_price_now(terms, facts)} ({price.words})."
        )
        if terms.put_percent_bp is not None:
            share = phrases.percent(terms.put_percent_bp)
            months = f"{phrases.count(terms.put_start_months, 'month')} after " if terms.put_start_months else ""
            yield f"You may sell units back at {share} of the schedule's price, from {months}the schedule date on."
    else:
        fee = facts.sale_price.share(terms.draw_fee_bp, terms.rounding)
        paid = f"You get a fee of {fee} a unit" if terms.draw_fee_bp else "There is no fee"
        within = phrases.count(terms.replace_days, "day")
        yield (
            f"{paid}, and an equal unit within {within} of receipt; otherwise the unit is bought at "
            f"{_price_now(terms, facts)} ({price.words})."
        )
    yield from _bounds(terms)
    if terms.title is Title.RETAINED_UNTIL_PAID:
        yield "The units are the manufacturer's until you have paid them: do not use, fit, sell or scrap them before."


def _bounds(terms: BuyBackV2 | AccessBackV2 | FirstRefusalV1) -> Iterator[str]:
    """Between what the price with handling stays, and what is paid once for the right."""
    said = [
        f"{words} {phrases.percent(share)}"
        for words, share in (("less than", terms.price_floor_bp), ("more than", terms.price_cap_bp))
        if share is not None
    ]
    if said:
        yield f"With handling it is never {phrases.listed(said, 'or')} of the schedule's price."
    if terms.option_premium_bp:
        yield f"For the right you get {phrases.percent(terms.option_premium_bp)} of the schedule's price once."


def _kept(terms: TitleKeptV1, facts: Facts, dates: str) -> Iterator[str]:
    passes = "once it is paid" if terms.title is Title.RETAINED_UNTIL_PAID else "when you take it out"
    yield f"The units are the manufacturer's. A unit becomes yours {passes}."
    within = phrases.count(terms.withdrawal_days, "day")
    yield f"For what you take out you pay {facts.sale_price} a unit within {within}."
    fee = facts.sale_price.share(terms.recall_fee_bp, terms.rounding)
    yield f"{dates} the manufacturer may take back what you have not taken out; you get {fee} a unit for sending it."
    if terms.must_buy_months is not None:
        yield f"What still lies there after {phrases.count(terms.must_buy_months, 'month')} counts as taken out."
    left = "goes back" if terms.at_end is AtEnd.RETURNED else "is bought by you"
    yield f"What is left at the end {left} within {phrases.count(terms.end_return_days, 'day')}."


def _clock(terms: TermsV2) -> Iterator[str]:
    if terms.answers:
        yield (
            f"You answer within {phrases.count(terms.respond_hours_machine_down, 'hour')} when a machine is down, "
            f"{phrases.count(terms.respond_days_urgent, 'day')} when urgent and "
            f"{phrases.count(terms.respond_days_stock, 'day')} for a stock order; "
            f"no response by the deadline means {terms.no_response}."
        )
    pays = "you pay" if terms.freight_payer is Party.HOLDER else "the manufacturer pays"
    yield (
        f"You ship within {phrases.count(terms.notice_hours_machine_down, 'hour')} of the order when a machine is down, "
        f"{phrases.count(terms.notice_days_urgent, 'day')} when urgent and "
        f"{phrases.count(terms.notice_days_stock, 'day')} for a stock order, {terms.incoterm.value} {terms.incoterm_place}; {pays} the freight."
    )
    if terms.holiday_calendar is not None:
        yield f"Days of orders and notices are business days ({calendar_name(terms.holiday_calendar)})."
    if terms.late_share_bp and terms.late_cap_bp is not None:
        yield (
            f"Late, you pay {phrases.percent(terms.late_share_bp)} of their price for every "
            f"{phrases.count(terms.late_period_days, 'day')} begun, at most {phrases.percent(terms.late_cap_bp)}."
        )
    if terms.cover_purchase and terms.cover_cap_bp is not None:
        cure = phrases.count(terms.cure_days, "day")
        yield (
            f"If you do not ship within {cure} after that either, the manufacturer may buy elsewhere; what it costs more you pay, "
            f"up to {phrases.percent(terms.cover_cap_bp)} of the price paid."
        )
    papers = "" if terms.return_papers is Papers.NONE else f", with {PAPERS_WORDS[terms.return_papers]}"
    yield f"What goes back is at least {grade_words(terms.return_grade)}{papers}; worse may be rejected."


def _keeping(terms: TermsV2, facts: Facts, beside: Sequence[TermsV2], *, acts: bool) -> Iterator[str]:
    span, keep = window(terms, facts), minimum(terms, facts)
    # A first refusal of the last units keeps nothing back: it is asked before they go.
    if keep and not (terms.clause == "first-refusal" and terms.applies_to is AppliesTo.FLOOR):
        fewer = f"; {term_text(terms, 'minimum_steps')}" if terms.minimum_steps else ""
        yield f"Keep {keep:,} of {phrases.count(facts.accepted, 'unit')} until {phrases.day(span.last_day)}{fewer}."
    if terms.holder_reserve:
        reserve = phrases.count(terms.holder_reserve, "unit")
        yield f"Your own reserve is {reserve}: no order takes the last within reach."
    if not acts:
        return
    for told in (_use, _scrap, _resale):
        # Every clause binds: of each act is said what the strictest of them says, once.
        said = [told(t, keep) for t in (terms, *beside)]
        yield max(said, key=lambda one: one[0])[1]


_Told = tuple[tuple[int, int], str]
"""How strict a clause is about an act (the rule, then the days), and its sentence."""


def _above_is_free(terms: TermsV2) -> bool:
    return terms.applies_to is AppliesTo.FLOOR and terms.clause != "first-refusal"


def _use(terms: TermsV2, keep: int) -> _Told:
    rule = UseRule.FREE if _above_is_free(terms) else terms.use_rule
    use = {
        UseClass.INTERMEDIATE_GOOD: "use units up in your production",
        UseClass.NON_CAPITAL_SPARE: "fit units as spares",
        UseClass.EITHER: "use units up or fit them",
    }[terms.use_class]
    days = phrases.count(terms.use_notice_days, "day")
    asking = {
        UseRule.FREE: "without asking",
        UseRule.WITHIN_ALLOWANCE: f"within your allowance without asking, and after {days}' notice beyond it",
        UseRule.AFTER_NOTICE: f"after {days}' notice",
        UseRule.CONSENT: f"only with consent, to be answered within {days}",
    }[rule]
    above = "Above the minimum to keep you" if keep else "You"
    words = f"{above} may {use} {asking}; report it within {phrases.count(terms.report_within_days, 'day')}."
    if rule is UseRule.WITHIN_ALLOWANCE or (terms.use_allowance is not None and not _above_is_free(terms)):
        words += f" Your allowance: {term_text(terms, 'use_allowance')}."
    order = (UseRule.FREE, UseRule.WITHIN_ALLOWANCE, UseRule.AFTER_NOTICE, UseRule.CONSENT)
    return (order.index(rule), terms.use_notice_days), words


def _scrap(terms: TermsV2, keep: int) -> _Told:
    if _above_is_free(terms):
        above = "Above the minimum to keep you" if keep else "You"
        return (0, 0), f"{above} may scrap units without asking, too."
    days = phrases.count(terms.scrap_notice_days, "day")
    return {
        ScrapRule.FREE: ((0, 1), "You may scrap units without asking."),
        ScrapRule.OFFER_FIRST: (
            (1, terms.scrap_notice_days),
            f"Before scrapping, offer the units to the manufacturer for {days}.",
        ),
        ScrapRule.CONSENT: ((2, terms.scrap_notice_days), f"Before scrapping, ask for consent: it has {days}."),
    }[terms.scrap_rule]


def _resale(terms: TermsV2, _keep: int) -> _Told:
    days = phrases.count(terms.resale_notice_days, "day")
    words = {
        ResaleRule.FREE: "You may sell units on.",
        ResaleRule.OFFER_FIRST: f"Before selling on, offer the units to the manufacturer for {days}.",
        ResaleRule.ACCESSION: "You may sell units on to a buyer that takes the clause over in writing first.",
        ResaleRule.CONSENT: f"Sell on only with written consent, to be answered within {days}.",
        ResaleRule.NOT_ALLOWED: "You may not sell the units on.",
    }
    return (list(words).index(terms.resale), terms.resale_notice_days), words[terms.resale]


def _missing(terms: TermsV2) -> Iterator[str]:
    owed = []
    if terms.breach_share_bp:
        owed.append(f"{phrases.percent(terms.breach_share_bp)} of its price where it went without leave")
    if terms.loss_compensation_bp and terms.loss_bearer is Party.HOLDER:
        owed.append(f"{phrases.percent(terms.loss_compensation_bp)} where it was lost")
    if owed:
        yield f"For a unit that is missing from the minimum to keep you pay {phrases.listed(owed)}."


def _end(terms: TermsV2, facts: Facts) -> Iterator[str]:
    if terms.minimum_to_keep if facts.minimum_to_keep is None else facts.minimum_to_keep:
        yield from _missing(terms)
    if terms.count_interval_months:
        yield f"Count the units every {phrases.count(terms.count_interval_months, 'month')}."
    if facts.circumstances.not_renewed:
        last = phrases.day(window(terms, facts).last_day)
        yield f"Notice was given: the right ends on {last}, and is not renewed."
    elif terms.renewal is not Renewal.NONE:
        yield end_of_term(terms, facts).words
