"""Terms as words: the signed text with its blanks filled in, and the same in plain sentences for pages. What only the second
library has is worded in ``term_words`` and ``sentences``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from marketplace.agreements import phrases
from marketplace.agreements.deadlines import window
from marketplace.agreements.facts import Facts
from marketplace.agreements.prices import purchase_price
from marketplace.agreements.reach import minimum
from marketplace.agreements.sentences import SHORT_NAMES, badge_texts, summary_texts
from marketplace.agreements.term_words import own_words, price_words
from marketplace.agreements.terms import AccessBackV1, AppliesTo, BuyBackV1, NoResponse, Party, Resale, Terms, UseClass
from marketplace.kit.errors import invalid
from marketplace.kit.money import Rounding

escaped = phrases.escaped
BLANK = re.compile(r"\{\{\s*([a-z_]+)\s*\}\}")
_BRACES = re.compile(r"\{\{|\}\}")

_WORDS: Mapping[object, str] = {
    AppliesTo.ALL: "all remaining units",
    AppliesTo.FREE: "the remaining units above the minimum to keep",
    AppliesTo.FLOOR: "the minimum to keep only",
    NoResponse.ACCEPTED: "accepted",
    NoResponse.REFUSED: "refused",
    UseClass.INTERMEDIATE_GOOD: "to be used up in the Holder's own production",
    UseClass.NON_CAPITAL_SPARE: "as spares, to be fitted into machines",
    UseClass.EITHER: "to be used up in the Holder's own production or fitted into machines as spares",
    Resale.NOT_ALLOWED: "not allowed",
    Resale.CONSENT: "only with the Manufacturer's written consent",
    Party.MANUFACTURER: "the Manufacturer",
    Party.HOLDER: "the Holder",
    Rounding.HALF_UP: "to the nearest, halves upwards,",
    Rounding.HALF_EVEN: "to the nearest, halves to the even digit,",
    Rounding.UP: "upwards",
}
_SWITCHES: Mapping[str, tuple[str, str]] = {
    "use_free_above_minimum": ("without asking", "after notice"),
    "runs_with_the_unit": (
        "The right stays on a unit whoever owns it; a buyer takes it over in writing before title passes",
        "The right binds the Holder and ends on a unit that is sold with consent",
    ),
}
_NUMBERS: tuple[tuple[str, Callable[[int], str]], ...] = (
    ("_bp", phrases.percent),
    ("_months", lambda n: phrases.count(n, "month")),
    ("_days", lambda n: phrases.count(n, "day")),
    ("_hours", lambda n: phrases.count(n, "hour")),
    ("_minimum", lambda n: phrases.count(n, "unit")),
    ("_multiple", lambda n: phrases.count(n, "unit")),
    ("_reserve", lambda n: phrases.count(n, "unit")),
    ("_keep", lambda n: phrases.count(n, "unit")),
)
_LIMITS: Mapping[str, tuple[str, Callable[[int], str]]] = {
    "max_exercises": ("any number of orders", lambda n: f"at most {phrases.count(n, 'order')}"),
    "price_floor_bp": ("without a floor", lambda n: f"at least {phrases.percent(n)} of the price paid"),
    "price_cap_bp": ("without a cap", lambda n: f"at most {phrases.percent(n)} of the price paid"),
}


def blanks(text: str) -> frozenset[str]:
    """Names of the blanks in a clause text."""
    return frozenset(BLANK.findall(text))


def render_clause(text: str, terms: Terms, context: Mapping[str, str] | None = None) -> str:
    """The clause text (markdown) with every blank filled in.

    ``context`` are the particulars of the signing, label -> value ("Manufacturer" -> "Northfield Inc."), put as
    a list above the text with markdown escaped. Raises ``clause.blank`` for a blank that is no term, for
    a term of the clause that has no blank, and for braces that are not a blank.
    """
    found = blanks(text)
    known = frozenset(type(terms).model_fields) - {"clause", "version"}
    wrong = [f"{{{{ {name} }}}} is not a term" for name in sorted(found - known)]
    wrong += [f"the term {name} has no blank" for name in sorted(known - found)]
    if _BRACES.search(BLANK.sub("", text)):
        wrong.append("a brace is not part of a blank")
    if wrong:
        raise invalid("clause.blank", f"The text of {terms.clause}/v{terms.version}: {'; '.join(wrong)}.")
    body = BLANK.sub(lambda match: term_words(terms, match.group(1)), text)
    particulars = "".join(f"- **{escaped(label)}:** {escaped(value)}\n" for label, value in (context or {}).items())
    return f"{particulars}\n{body}" if particulars else body


def term_words(terms: Terms, name: str) -> str:
    """One term as it reads in its blank ('10 days', '85 %', 'all remaining units')."""
    value: Any = getattr(terms, name)
    if terms.generation == 2:
        own = own_words(terms, name)
        if own is not None:
            return own
    if name in _LIMITS:
        unlimited, limited = _LIMITS[name]
        return unlimited if value is None else limited(value)
    if name in _SWITCHES:
        return _SWITCHES[name][0 if value else 1]
    if name == "price":
        return price_words(value)
    if isinstance(value, int):
        return next(words for part, words in _NUMBERS if f"{part}_" in f"{name}_")(value)
    return _WORDS[value]


_KEPT: Mapping[AppliesTo, str] = {
    AppliesTo.ALL: "", AppliesTo.FREE: ", which stay yours", AppliesTo.FLOOR: ", and only those",
}  # fmt: skip


_KEPT_BY_HOLDER: Mapping[AppliesTo, str] = {**_KEPT, AppliesTo.FREE: ", which stay the holder's"}


class Badge(NamedTuple):
    """A clause in two lengths: what fits a table cell, and the sentence behind it."""

    short: str
    sentence: str


NAMES: Mapping[str, str] = {
    "buy-back": "buy-back",
    "access-back": "access-back",
    "first-refusal": "first refusal",
    "title-kept": "title kept",
}
"""The clauses by the name the trade uses."""


def badge(terms: Terms, facts: Facts, *, to_maker: bool = False, further: Sequence[Terms] = ()) -> Badge:
    """The clause, and those beside it: 'Access · until Nov 2034, and first refusal', each in a sentence."""
    first = _badge(terms, facts, to_maker=to_maker)
    short = ", and ".join([first.short, *(NAMES[other.clause] for other in further)])
    sentences = [first.sentence, *(_badge(other, facts, to_maker=to_maker).sentence for other in further)]
    return Badge(short, " ".join(sentences))


def ended_badge(terms: Terms, facts: Facts) -> Badge:
    """In place of the badge of a right whose last day has passed: what could have been ordered until then misleads."""
    ended = phrases.month(window(terms, facts).last_day)
    sentence = f"The right ended in {ended}: nothing can be ordered under it any more. What was ordered before goes on."
    return Badge(f"{SHORT_NAMES[terms.clause]} · ended {ended}", sentence)


def _badge(terms: Terms, facts: Facts, *, to_maker: bool) -> Badge:
    """'Buy-back · until Nov 2034' and 'May be bought back until Nov 2034 at 85 % of the schedule's price, notice
    24 hours (machine down) to 10 days (stock); keep 3 of 10.' To the maker, and who orders on its behalf: 'at 85 % of
    what it was sold for (350.29 USD a unit) ...; the holder keeps 3 of 10.'
    """
    if terms.generation == 2:
        return Badge(*badge_texts(terms, facts, to_maker=to_maker))
    span = window(terms, facts)
    until = phrases.month(span.last_day)
    between = f"from {phrases.month(span.first_day)} until {until}" if terms.window_start_months else f"until {until}"
    notice = _notice(terms.notice_hours_machine_down, terms.notice_days_stock)
    keep = minimum(terms, facts)
    keeps, which = ("the holder keeps", _KEPT_BY_HOLDER) if to_maker else ("keep", _KEPT)
    kept = f"; {keeps} {keep:,} of {facts.accepted:,}{which[terms.applies_to]}" if keep else ""
    if terms.clause == "buy-back":
        price = _price_to_maker(terms, facts) if to_maker else _price_to_holder(terms, facts)
        sentence = f"May be bought back {between} at {price}, {notice}{kept}."
        return Badge(f"Buy-back · until {until}", sentence)
    within = phrases.count(terms.replace_days, "day")
    sentence = (
        f"May be drawn {between}, {notice}; replaced within {within} or bought at "
        f"{purchase_price(terms, facts.sale_price, facts.list_price)}{kept}."
    )
    return Badge(f"Access · until {until}", sentence)


# Thousands of badges of one search are made of few terms.
@lru_cache(maxsize=1024)
def _notice(hours: int, days: int) -> str:
    return f"notice {phrases.count(hours, 'hour')} (machine down) to {phrases.count(days, 'day')} (stock)"


def _price_to_holder(terms: BuyBackV1, facts: Facts) -> str:
    price = terms.price
    handling = f" plus {phrases.percent(terms.handling_bp)} handling" if terms.handling_bp else ""
    if price.kind == "fixed":
        return f"{price.amount:,f} {facts.sale_price.currency} a unit{handling}"
    if price.kind == "percent_of_sale":
        return f"{phrases.percent(price.percent_bp)} of the schedule's price{handling}"
    first, last = price.points[0], price.points[-1]
    shares = (
        f"{phrases.percent(first.percent_bp)} to {phrases.percent(last.percent_bp)} of the schedule's price{handling}"
    )
    return f"{shares}, by age"


def _price_to_maker(terms: BuyBackV1, facts: Facts) -> str:
    """The same from the other side, with the amount."""
    price, words = terms.price, _price_to_holder(terms, facts)
    if price.kind == "fixed":
        return words
    points = (
        [price.percent_bp]
        if price.kind == "percent_of_sale"
        else [price.points[0].percent_bp, price.points[-1].percent_bp]
    )
    amounts = " to ".join(str(facts.sale_price.share(point, terms.rounding)) for point in points)
    return words.replace("of the schedule's price", f"of what it was sold for ({amounts} a unit)")


def summary(terms: Terms, facts: Facts, further: Sequence[Terms] = ()) -> tuple[str, ...]:
    """What the clause means for this schedule, in sentences to the holder, with dates and amounts; of clauses beside it what
    the sentences before do not say already."""
    beside = [other for other in further if other.generation == 2]
    told = list(summary_texts(terms, facts, beside) if terms.generation == 2 else _summary(terms, facts))
    for other in further:
        # Clauses stand together in the second library only; what binds of each act is said already.
        sentences = summary_texts(other, facts, acts=False) if other.generation == 2 else _summary(other, facts)
        more = [sentence for sentence in sentences if sentence not in told]
        told += [f"And a {NAMES[other.clause]}; where both clauses say something, the stricter binds.", *more]
    return tuple(told)


def _summary(terms: Terms, facts: Facts) -> tuple[str, ...]:
    if terms.generation == 2:
        return summary_texts(terms, facts)
    span = window(terms, facts)
    keep = minimum(terms, facts)
    verb = "order back" if isinstance(terms, BuyBackV1) else "draw"
    dates = f"From {phrases.day(span.first_day)} until {phrases.day(span.last_day)}"
    sentences = [f"{dates} the manufacturer may {verb} {_reach_to_holder(terms, keep)}."]
    if isinstance(terms, BuyBackV1):
        sentences.append(
            f"The schedule's price is {facts.sale_price} a unit; you get {_price_to_holder(terms, facts)}."
        )
        limits = [
            f"{word} {facts.sale_price.share(share, terms.rounding)}"
            for word, share in (("never less than", terms.price_floor_bp), ("never more than", terms.price_cap_bp))
            if share is not None
        ]
        if limits:
            sentences.append(f"That is {phrases.listed(limits)} a unit.")
    else:
        sentences += _access_sentences(terms, facts)
    sentences.append(
        f"You answer within {phrases.count(terms.respond_hours_machine_down, 'hour')} when a machine is down, "
        f"{phrases.count(terms.respond_days_urgent, 'day')} when urgent and "
        f"{phrases.count(terms.respond_days_stock, 'day')} for a stock order; "
        f"no response by the deadline means {terms.no_response}."
    )
    sentences.append(
        f"You ship within {phrases.count(terms.notice_hours_machine_down, 'hour')} of the order when a machine is down, "
        f"{phrases.count(terms.notice_days_urgent, 'day')} when urgent and "
        f"{phrases.count(terms.notice_days_stock, 'day')} for a stock order; {'you pay' if terms.freight_payer is Party.HOLDER else 'the manufacturer pays'} the freight."
    )
    if keep:
        last = phrases.day(span.last_day)
        sentences.append(f"Keep {keep:,} of {phrases.count(facts.accepted, 'unit')} until {last}.")
    if terms.holder_reserve:
        sentences.append(
            f"Your own reserve is {phrases.count(terms.holder_reserve, 'unit')}: no order takes the last within reach."
        )
    sentences += _use_sentences(terms, keep)
    return tuple(sentences)


TOLD_APART = 6
"""So many lines of a schedule are told apart in sentences; who has more reads the schedule."""


def summary_of_lines(
    terms: Terms, lines: Sequence[tuple[str, Facts]], further: Sequence[Terms] = ()
) -> tuple[str, ...]:
    """As ``summary``, for a schedule of several lines, (part number, facts): what all lines have in common once, and
    by part number what is not the same in all of them (price, minimum to keep)."""
    told = [(number, summary(terms, facts, further)) for number, facts in lines]
    if not told:
        return ()
    common = set(told[0][1]).intersection(*(sentences for _, sentences in told))
    apart = [f"{number}: {' '.join(s for s in sentences if s not in common)}" for number, sentences in told]
    apart = [words for words, (_, sentences) in zip(apart, told, strict=True) if not common.issuperset(sentences)]
    if not apart:
        return told[0][1]
    more = len(apart) - TOLD_APART
    rest = [f"The schedule has the price and the minimum to keep of {phrases.count(more, 'more line')}."]
    first = told[0][1]
    # Where the first line begins to differ, so that price and minimum stand where one would look for them.
    at = next((i for i, sentence in enumerate(first) if sentence not in common), len(first))
    before = [s for s in first[:at] if s in common]
    after = [s for s in first[at:] if s in common]
    return (*before, *apart[:TOLD_APART], *(rest if more > 0 else ()), *after)


def _reach_to_holder(terms: BuyBackV1 | AccessBackV1, keep: int) -> str:
    return {
        AppliesTo.ALL: "any unit you still have",
        AppliesTo.FREE: "units above the minimum to keep",
        AppliesTo.FLOOR: f"up to {phrases.count(keep, 'unit')}, the minimum to keep",
    }[terms.applies_to]


def _access_sentences(terms: AccessBackV1, facts: Facts) -> list[str]:
    fee = facts.sale_price.share(terms.draw_fee_bp, terms.rounding)
    price = purchase_price(terms, facts.sale_price, facts.list_price)
    paid = f"You get a fee of {fee} a unit" if terms.draw_fee_bp else "There is no fee"
    within = phrases.count(terms.replace_days, "day")
    return [f"{paid}, and an equal unit within {within} of receipt; otherwise the unit is bought at {price}."]


def _use_sentences(terms: BuyBackV1 | AccessBackV1, keep: int) -> list[str]:
    use = {
        UseClass.INTERMEDIATE_GOOD: "use units up in your production",
        UseClass.NON_CAPITAL_SPARE: "fit units as spares",
        UseClass.EITHER: "use units up or fit them",
    }[terms.use_class]
    above = "Above the minimum to keep you" if keep else "You"
    free = terms.use_free_above_minimum or terms.applies_to is AppliesTo.FLOOR
    within = phrases.count(terms.report_within_days, "day")
    asking = "without asking" if free else f"after {phrases.count(terms.use_notice_days, 'day')}' notice"
    sentences = [f"{above} may {use} {asking}; report it within {within}."]
    if terms.applies_to is not AppliesTo.FLOOR:
        offer = phrases.count(terms.scrap_notice_days, "day")
        sentences.append(f"Before scrapping, offer the units to the manufacturer for {offer}.")
    if terms.resale is Resale.NOT_ALLOWED:
        sentences.append("You may not sell the units on.")
    elif terms.runs_with_the_unit:
        sentences.append("Sell on only with written consent; the buyer takes the right over.")
    else:
        sentences.append("Sell on only with written consent; the right then ends on what you sold.")
    return sentences
