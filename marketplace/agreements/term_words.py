"""Terms of the second library as they read in their blanks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from marketplace.agreements import phrases
from marketplace.agreements.calendars import calendar_name
from marketplace.agreements.condition import PAPERS_WORDS
from marketplace.agreements.price_kinds import AnyPrice, CostBasis, CostPlus, IndexedPrice, NoValue
from marketplace.agreements.price_rules import PriceSchedule
from marketplace.agreements.term_kinds import (
    AtEnd,
    Blackout,
    ConsentSilence,
    DayCount,
    Direction,
    Grade,
    GradeAdjustment,
    Insolvency,
    MinimumStep,
    NoticeSilence,
    RejectRemedy,
    Renewal,
    ResaleRule,
    Scope,
    ScrapRule,
    StorageConditions,
    Substitution,
    Title,
    UseAllowance,
    UseRule,
)
from marketplace.agreements.terms import TermsV2

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip

# By type and value: texts of different choices are alike ("consent"), and equal as texts.
CHOICES: Mapping[type, Mapping[Any, str]] = {
    DayCount: {DayCount.CALENDAR: "calendar days", DayCount.BUSINESS: "business days"},
    Scope: {
        Scope.LOTS: "units of the schedule only",
        Scope.PARTS: "units of the schedule or equal units of the same part",
        Scope.INTERCHANGE: (
            "units of the schedule, equal units of the same part, or equal units of a part that the maker lists as "
            "interchangeable with it"
        ),
    },
    UseRule: {
        UseRule.FREE: "without asking",
        UseRule.WITHIN_ALLOWANCE: "without asking within the allowance, and after notice beyond it",
        UseRule.AFTER_NOTICE: "after notice to the Manufacturer",
        UseRule.CONSENT: "only with the Manufacturer's consent",
    },
    ResaleRule: {
        ResaleRule.FREE: "without asking",
        ResaleRule.OFFER_FIRST: "after it has offered them to the Manufacturer",
        ResaleRule.CONSENT: "only with the Manufacturer's consent",
        ResaleRule.ACCESSION: "without asking, once the buyer has taken this clause over in writing and not before",
        ResaleRule.NOT_ALLOWED: "in no case",
    },
    ScrapRule: {
        ScrapRule.FREE: "without asking",
        ScrapRule.OFFER_FIRST: "after it has offered them to the Manufacturer",
        ScrapRule.CONSENT: "only with the Manufacturer's consent",
    },
    NoticeSilence: {
        NoticeSilence.CLEARED: "the Holder may act as number 8 says",
        NoticeSilence.REFUSED: "the Holder may not act without its yes",
    },
    ConsentSilence: {ConsentSilence.REFUSED: "consent is refused", ConsentSilence.GIVEN: "consent is given"},
    Substitution: {
        Substitution.NONE: "not allowed",
        Substitution.FORM_FIT_FUNCTION: "allowed where it is equal in form, fit and function",
        Substitution.MAKERS_LIST: "allowed where the maker's list names it",
    },
    Direction: {
        Direction.NEWER_FOR_OLDER: "a newer part for an older one, not the other way round",
        Direction.EITHER: "a newer part for an older one or the other way round",
    },
    RejectRemedy: {
        RejectRemedy.RETURN: "it goes back at the Holder's cost and stays under this clause",
        RejectRemedy.REPLACE: "the Holder sends another unit at its own cost, and the rejected one goes back to it",
        RejectRemedy.CREDIT: "the Manufacturer keeps it and pays nothing for it",
    },
    StorageConditions: {
        StorageConditions.DRY_INDOORS: "dry and indoors",
        StorageConditions.CLIMATE_CONTROLLED: "in a climate-controlled place",
        StorageConditions.AS_MAKER_STATES: "as the maker of the part states",
    },
    Title: {
        Title.SOLD: "sold: the Holder owns them from delivery",
        Title.RETAINED_UNTIL_PAID: "the Manufacturer's until they are paid, and then the Holder's",
        Title.CONSIGNED: "on consignment: the Manufacturer's until they are taken out, and then the Holder's",
    },
    Insolvency: {
        Insolvency.FREEZE: "The window runs on meanwhile",
        Insolvency.FREEZE_AND_ADD: "The days for which they stay are added to the end of the window",
    },
    Renewal: {
        Renewal.NONE: "the schedule ends; it is not renewed",
        Renewal.BY_AGREEMENT: "the schedule ends, unless both parties agree to renew it",
        Renewal.AUTOMATIC: "the schedule is renewed, unless one of them gives notice against it",
    },
    AtEnd: {
        AtEnd.RETURNED: "sent back to the Manufacturer",
        AtEnd.PURCHASED: "bought and paid by the Holder at their price",
    },
}
_SWITCHES: Mapping[str, tuple[str, str]] = {
    "set_off": ("Either party may set off what is undisputed", "Neither party sets off"),
    "cover_purchase": ("may buy", "may not buy"),
    "blackout_machine_down": ("A machine down order may be given all the same", "Machine down is no exception"),
}


def _share_of(what: str) -> Callable[[int], str]:
    return lambda n: f"at most {phrases.percent(n)} of {what}"


# Terms that may be left out, or whose zero has words of its own: (words without, words with).
_LIMITS: Mapping[str, tuple[str, Callable[[int], str]]] = {
    "max_units": ("any number of units", lambda n: f"at most {phrases.count(n, 'unit')}"),
    "late_cap_bp": ("so that nothing is paid", _share_of("it in all")),
    "cover_cap_bp": ("so that nothing is paid", _share_of("the price paid for each unit")),
    "breach_cap_bp": ("so that nothing is paid", _share_of("the price paid for the whole minimum to keep")),
    "put_percent_bp": ("none", lambda n: f"at {phrases.percent(n)} of the price paid"),
    "must_buy_months": (
        "not by lying there alone",
        lambda n: f"on the day {phrases.count(n, 'month')} after the schedule date",
    ),
    "hazmat_un": ("the units are none", lambda n: f"UN {n:04d}"),
    "count_interval_months": ("at no fixed interval", lambda n: f"every {phrases.count(n, 'month')}"),
    "returned_goods_months": ("none is counted on", lambda n: f"{phrases.count(n, 'month')} from export"),
    "max_renewals": ("none", lambda n: f"at most {phrases.count(n, 'renewal')}"),
}
_ZERO_IS_NONE = frozenset({"count_interval_months", "returned_goods_months", "max_renewals"})


def own_words(terms: TermsV2, name: str) -> str | None:
    """A term that only the second library has, as it reads in its blank; None for one that reads as in the first."""
    value: Any = getattr(terms, name)
    if name in _LIMITS:
        without, with_it = _LIMITS[name]
        return without if value is None or (value == 0 and name in _ZERO_IS_NONE) else with_it(value)
    if name in _SWITCHES:
        return _SWITCHES[name][0 if value else 1]
    if name in _MADE:
        made: str = _MADE[name](value)
        return made
    choice = CHOICES.get(type(value))
    return None if choice is None else choice[value]


def _blackouts(value: tuple[Blackout, ...]) -> str:
    spans = [
        f"{b.from_day} {_MONTHS[b.from_month - 1]} to {b.to_day} {_MONTHS[b.to_month - 1]}, both included"
        for b in value
    ]
    return phrases.listed(spans) or "none"


def _steps(value: tuple[MinimumStep, ...]) -> str:
    if not value:
        return "it stays the same to the end"
    steps = [
        f"to {phrases.percent(step.percent_bp)} of the number at the start {phrases.count(step.after_months, 'month')} after the schedule date"
        for step in value
    ]
    return f"it declines {phrases.listed(steps)}"


def _allowance(value: UseAllowance | None) -> str:
    if value is None:
        return "none"
    much = (
        phrases.count(value.units, "unit")
        if value.kind == "units"
        else f"{phrases.percent(value.share_bp)} of the units of the schedule that were accepted, rounded down to a whole unit,"
    )
    rest = "what is not used in a period lapses"
    if value.carry_over_periods:
        rest = f"what is not used in a period can still be used in the {phrases.count(value.carry_over_periods, 'period')} after it, the oldest first"
    return f"{much} in each period of {phrases.count(value.period_months, 'month')} from the schedule date; {rest}"


def _grades(value: tuple[GradeAdjustment, ...]) -> str:
    if not value:
        return "in full"
    return phrases.listed([f"{phrases.percent(a.percent_bp)} if it is {grade_words(a.grade)}" for a in value])


def grade_words(grade: Grade) -> str:
    """'used and tested'."""
    return "used and tested" if grade is Grade.USED_TESTED else grade.value.replace("_", " ")


def _named(value: str | None) -> str:
    return "not controlled" if value is None else plain(value)


def _calendar(value: str | None) -> str:
    if value is None:
        return "weekends and holidays included"
    return f"by the working week and the public holidays of {plain(calendar_name(value))} ({value})"


def plain(value: str) -> str:
    """A name that somebody typed, with markdown's signs escaped."""
    return phrases.escaped(value)


_MADE: Mapping[str, Callable[[Any], str]] = {
    "blackouts": _blackouts,
    "minimum_steps": _steps,
    "use_allowance": _allowance,
    "grade_adjustments": _grades,
    "return_grade": grade_words,
    "return_papers": lambda value: "no papers" if value.value == "none" else PAPERS_WORDS[value],
    "incoterm": lambda value: value.value,
    "incoterm_place": plain,
    "export_class": _named,
    "holiday_calendar": _calendar,
}


def price_words(price: AnyPrice) -> str:
    """The price rule in one phrase, fit for the signed text."""
    if price.kind == "fixed":
        return f"{price.amount:,f} in the currency of the sale"
    if price.kind == "percent_of_sale":
        return f"{phrases.percent(price.percent_bp)} of the price paid"
    if price.kind == "schedule":
        return schedule_words(price)
    if price.kind == "indexed":
        return _indexed(price)
    if price.kind == "percent_of_list":
        later = (
            ""
            if price.superseded_bp == price.percent_bp
            else f", or {phrases.percent(price.superseded_bp)} of it once another part has superseded this one"
        )
        return f"{phrases.percent(price.percent_bp)} of the list price{later}"
    if price.kind == "cost_plus":
        return _cost_plus(price)
    if price.kind == "market_minus":
        off = f" less {phrases.percent(price.discount_bp)}" if price.discount_bp else ""
        return (
            f"the market value by {plain(price.source)}{off}, if it is not older than "
            f"{phrases.count(price.max_age_days, 'day')}; otherwise {phrases.percent(price.fallback_bp)} of the price paid"
        )
    off = f" less {phrases.percent(price.discount_bp)}" if price.discount_bp else ""
    return (
        f"what somebody else offers for the unit in writing and in good faith{off}; where units are to be used or scrapped "
        f"and nobody offers, {phrases.percent(price.no_offer_bp)} of the price paid"
    )


def schedule_words(price: PriceSchedule) -> str:
    """A share that changes with time, in one phrase."""
    steps = [
        f"{phrases.percent(point.percent_bp)} "
        + (
            "on the schedule date"
            if not point.after_months
            else f"{phrases.count(point.after_months, 'month')} after it"
        )
        for point in price.points
    ]
    how = (
        "each share standing until the next"
        if price.shape == "step"
        else "moving evenly by whole months from each share to the next, rounded down to 0.01 %"
    )
    falls = ", always declining" if price.declining else ""
    return f"a share of the price paid{falls}: {phrases.listed(steps, 'and')}, {how}"


_MISSING = {
    NoValue.LAST_KNOWN: "its newest earlier value counts",
    NoValue.UNCHANGED: "its value of the base month counts",
}


def _indexed(price: IndexedPrice) -> str:
    lag = (
        f"{phrases.count(price.lag_months, 'month')} before the month of notice"
        if price.lag_months
        else "in the month of notice"
    )
    return (
        f"{phrases.percent(price.percent_bp)} of the price paid, moved by the index {plain(price.series)} as it stands {lag} "
        f"against {price.base_period}, counted as at least {phrases.percent(price.index_floor_bp)} and at most "
        f"{phrases.percent(price.index_cap_bp)} of what it was then; where it has no value {_MISSING[price.no_value]}, and "
        f"once it is no longer published {_MISSING[price.discontinued]}"
    )


def _cost_plus(price: CostPlus) -> str:
    basis = (
        "the price paid"
        if price.basis is CostBasis.PRICE_PAID
        else "the cost of the unit that the Holder shows, at most the price paid, or the price paid if it shows none"
    )
    words = f"{basis}, plus {phrases.percent(price.markup_bp)} of it" if price.markup_bp else basis
    if price.storage_month_bp:
        words += (
            f", plus {phrases.percent(price.storage_month_bp)} of it for storage for every whole month since the schedule "
            f"date, at most {phrases.percent(price.storage_cap_bp)}"
        )
    if price.inbound_freight:
        words += ", plus the freight that the Holder paid to receive it"
    return words
