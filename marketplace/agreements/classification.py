"""How a sale with a right behind it is booked: IFRS 15 B64-B78 and ASC 606-10-55-66 to 55-80, for one class of units.

Exact decimals and basis points, no floats. A classification carries the tests asked in their order, each with its
paragraph, its figures and its answer in words. Indicative: an auditor confirms it (``INDICATIVE`` stands wherever it is
shown).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeAlias

from marketplace.agreements import phrases
from marketplace.kit.errors import invalid
from marketplace.kit.money import Money

INDICATIVE = "Indicative, auditor to confirm."
MAX_RATE_BP = 10_000
_STEP = Decimal("0.0001")
_MOST_DATES = 26
"""Exercise dates whose figures a trace lists; of more it lists the first, the last, the extremes and a few between."""


class Kind(StrEnum):
    """What the sale of a class of units is to the maker's books."""

    SALE = "sale"
    SALE_WITH_RETURN = "sale_with_return"
    """A sale with a right of return: revenue for what is not expected back."""
    LEASE = "lease"
    FINANCING = "financing"
    """A loan against the units: no revenue, the difference is interest."""
    CONSIGNMENT = "consignment"
    """No revenue before units are taken out."""
    JUDGEMENT = "judgement"
    """The figures do not decide: somebody has to."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """A date on which the right can be used: months after the sale, and what a unit then costs."""

    months: int
    price: Decimal


_Valued: TypeAlias = tuple[Exercise, Decimal]
"""A date with the present value of its price."""


@dataclass(frozen=True, slots=True)
class Call:
    """The maker may buy back. ``note``: why it is taken as substantive, where that is not plain. ``open_price``: what the
    price follows where nothing bounds it; the exercises are then dates without a price to go by."""

    exercises: tuple[Exercise, ...]
    note: str = ""
    open_price: str = ""


@dataclass(frozen=True, slots=True)
class Put:
    """The holder may make the maker buy back. ``expected_market``: of a unit, when the right can be used."""

    exercises: tuple[Exercise, ...]
    expected_market: Decimal | None


@dataclass(frozen=True, slots=True)
class FirstRefusal:
    """The maker is asked first. ``before``: what the holder wants to do, in words."""

    before: str
    fixed_price: bool = False
    holder_compelled: bool = False
    common_practice: bool = False


@dataclass(frozen=True, slots=True)
class Exchange:
    """The maker may draw units and replaces them in kind."""


@dataclass(frozen=True, slots=True)
class Consigned:
    """The holder pays only for what it takes out, or title stays until something happens. ``must_buy``: in the end it pays for
    what it has not taken out, too."""

    paid_on_withdrawal: bool = False
    title_kept: bool = False
    must_buy: bool = False


Arrangement: TypeAlias = Call | Put | FirstRefusal | Exchange | Consigned


@dataclass(frozen=True, slots=True)
class BookFacts:
    """One class of units. ``price``: paid per unit. ``rate_bp``: the maker's discount rate a year; None = not stated."""

    price: Money
    rights: tuple[Arrangement, ...]
    rate_bp: int | None = None
    sale_and_leaseback: bool = False

    def __post_init__(self) -> None:
        if self.price.amount < 0 or not (self.rate_bp is None or 0 <= self.rate_bp <= MAX_RATE_BP):
            raise invalid("books.facts", "A price is not negative, and a discount rate is from 0 to 100 %.")
        for right in self.rights:
            if isinstance(right, Call | Put) and (
                not right.exercises
                or min(e.months for e in right.exercises) < 0
                or min(e.price for e in right.exercises) < 0
            ):
                raise invalid("books.facts", "A right has at least one date, and no date or price below zero.")


@dataclass(frozen=True, slots=True)
class Step:
    """One test: what was asked, where the standards ask it, with which figures, and the answer."""

    question: str
    reference: str
    figures: Mapping[str, Any]
    answer: str

    def plain(self) -> dict[str, Any]:
        """In JSON types, as it is stored with an agreement."""
        return {
            "question": self.question,
            "reference": self.reference,
            "figures": dict(self.figures),
            "answer": self.answer,
        }


@dataclass(frozen=True, slots=True)
class Classification:
    """``trace``: the tests in their order; the last one decided. ``needs_rate``, ``needs_market``: what would decide."""

    kind: Kind
    trace: tuple[Step, ...]
    needs_rate: bool = False
    needs_market: bool = False


# A context is asked directly: to enter one for each of the thousands of values of a posting takes longer than the value.
_EXACT = Context(prec=50)


@lru_cache(maxsize=4096)
def _growth(rate_bp: int, months: int) -> Decimal:
    years, rest = divmod(months, 12)
    base = _EXACT.divide(Decimal(10_000 + rate_bp), Decimal(10_000))
    whole = _EXACT.power(base, years)
    return _EXACT.multiply(whole, _EXACT.power(base, _EXACT.divide(Decimal(rest), Decimal(12)))) if rest else whole


def present_value(amount: Decimal, rate_bp: int, months: int) -> Decimal:
    """``amount`` due in so many months, at the day of the sale: compounded yearly, a month being the twelfth root of a
    year; rounded half up to four decimals, to which prices are kept. Comparisons use the rounded value, so that what
    an auditor reads is what decided."""
    if rate_bp == 0 or months == 0:
        return amount.quantize(_STEP, ROUND_HALF_UP)
    return _EXACT.divide(amount, _growth(rate_bp, months)).quantize(_STEP, ROUND_HALF_UP)


# The classes of one line ask about the same dates.
@lru_cache(maxsize=64)
def _valued(exercises: tuple[Exercise, ...], rate_bp: int) -> tuple[_Valued, ...]:
    return tuple((e, present_value(e.price, rate_bp, e.months)) for e in exercises)


def classify(facts: BookFacts) -> Classification:
    """The tests in the order in which they decide: paid at all, consignment, exchange in kind, call (or forward), put,
    first refusal; without any of them it is a sale."""
    trace: list[Step] = []
    if facts.price.amount == 0:
        return Classification(
            Kind.JUDGEMENT,
            (Step("Is anything paid?", "IFRS 15.47; ASC 606-10-32-2", {"price": _text(facts.price)},
                  "No: there is no revenue to classify. Ask what the units are given for."),),
        )  # fmt: skip
    for right in facts.rights:
        if isinstance(right, Consigned) and (right.paid_on_withdrawal or right.title_kept):
            return _consigned(right, trace)
    for right in facts.rights:
        if isinstance(right, Exchange):
            return _exchanged(trace)
    calls = [right for right in facts.rights if isinstance(right, Call)]
    puts = [right for right in facts.rights if isinstance(right, Put)]
    if calls:
        return _called(facts, calls[0], puts, trace)
    if puts:
        trace.append(_no_call())
        return _put(facts, puts[0], trace)
    for right in facts.rights:
        if isinstance(right, FirstRefusal):
            trace.append(_no_call())
            return _refusal(right, trace)
    trace.append(
        Step(
            "Can the maker, or can it be made to, buy these units back?", "IFRS 15 B64-B65; ASC 606-10-55-66, 55-67", {},
            "No: the right does not reach them. Control passes with the units, so this is a sale.",
        )
    )  # fmt: skip
    return Classification(Kind.SALE, tuple(trace))


def _no_call() -> Step:
    return Step(
        "Can the maker buy the units back when it likes?", "IFRS 15 B65-B66; ASC 606-10-55-67, 55-68", {},
        "No: there is neither a forward nor a call.",
    )  # fmt: skip


def _consigned(right: Consigned, trace: list[Step]) -> Classification:
    why = "the partner pays only for what it takes out" if right.paid_on_withdrawal else "title stays with the maker"
    trace.append(
        Step(
            "Are there signs of a consignment?", "IFRS 15 B77-B78; ASC 606-10-55-79, 55-80",
            {"paid_on_withdrawal": right.paid_on_withdrawal, "title_kept": right.title_kept},
            f"Yes: {why}." + ("" if right.must_buy else " No revenue before a unit is taken out."),
        )
    )  # fmt: skip
    if right.must_buy:
        trace.append(
            Step(
                "Does the partner have to pay in the end for what it has not taken out?", "IFRS 15 B78(c); ASC 606-10-55-80(c)",
                {"must_buy": True},
                "Yes: what lies there long enough, or is left at the end, is bought. A duty to pay speaks against a consignment: "
                "whether control passes before is for the auditor.",
            )
        )  # fmt: skip
        return Classification(Kind.JUDGEMENT, tuple(trace))
    return Classification(Kind.CONSIGNMENT, tuple(trace))


def _exchanged(trace: list[Step]) -> Classification:
    trace.append(
        Step(
            "Is what the maker takes paid for, or replaced in kind?", "IFRS 15 B64-B66; ASC 606-10-55-66 to 55-68", {},
            "Replaced in kind, or else bought at a share of list. The standards do not speak of exchanges in kind: whether "
            "the right limits the holder's control is for the auditor.",
        )
    )  # fmt: skip
    return Classification(Kind.JUDGEMENT, tuple(trace))


# -- a call ----------------------------------------------------------------------------------------------


def _called(facts: BookFacts, call: Call, puts: Sequence[Put], trace: list[Step]) -> Classification:
    forward = any(put.exercises == call.exercises for put in puts)
    note = f" {call.note}" if call.note else ""
    trace.append(
        Step(
            "Can the maker buy the units back when it likes?", "IFRS 15 B65-B66; ASC 606-10-55-67, 55-68",
            {"from_months": call.exercises[0].months, "until_months": call.exercises[-1].months},
            f"Yes, {_span(call.exercises)}, whatever the holder wants: control does not pass.{note}"
            + (" With the holder's put at the same price it is in effect a forward." if forward else ""),
        )
    )  # fmt: skip
    if call.open_price:
        trace.append(
            Step(
                "Is the repurchase price known, or bounded, when the contract begins?", "IFRS 15 B66-B67; ASC 606-10-55-68, 55-69",
                {"follows": call.open_price},
                f"No: it follows {call.open_price}, and no floor and cap decide. What it is expected to be is for the auditor.",
            )
        )  # fmt: skip
        return Classification(Kind.JUDGEMENT, tuple(trace))
    compared = _compare(facts, call.exercises, trace, "IFRS 15 B66-B67; ASC 606-10-55-68, 55-69")
    if compared.unsaid:
        return Classification(Kind.JUDGEMENT, tuple(trace), needs_rate=True)
    if compared.below and compared.above:
        trace.append(_straddles("IFRS 15 B66; ASC 606-10-55-68"))
        return Classification(Kind.JUDGEMENT, tuple(trace))
    if compared.above:
        return _financing(facts, call.exercises, trace, "IFRS 15 B66(b), B68; ASC 606-10-55-68(b), 55-70")
    return _lease(facts, trace, "IFRS 15 B66(a); ASC 606-10-55-68(a)")


def _straddles(reference: str) -> Step:
    return Step(
        "What follows?", reference, {},
        "On some dates it is less than the price paid, on others at least as much: the dates on which the maker is "
        "likely to use its right decide. A right that opens later, or another price, settles it.",
    )  # fmt: skip


def _lease(facts: BookFacts, trace: list[Step], reference: str) -> Classification:
    if facts.sale_and_leaseback:
        trace.append(
            Step("Is it part of a sale and leaseback?", reference, {}, "Yes: then it is financing, not a lease.")
        )
        return Classification(Kind.FINANCING, tuple(trace))
    trace.append(
        Step(
            "What follows?", reference, {},
            "Less comes back than was paid, so the holder pays for use: a lease. No revenue from a sale; rent is spread "
            "over the time until the right ends, and if it ends unused the rest is revenue then.",
        )
    )  # fmt: skip
    return Classification(Kind.LEASE, tuple(trace))


def _financing(facts: BookFacts, exercises: Sequence[Exercise], trace: list[Step], reference: str) -> Classification:
    last = exercises[-1]
    interest = last.price - facts.price.amount
    trace.append(
        Step(
            "What follows?", reference,
            {"interest": _text(Money(interest, facts.price.currency)), "interest_at_months": last.months},
            "At least as much comes back as was paid: a loan against the units. They stay in the maker's books, with a "
            f"liability; the difference of {_shown(Money(interest, facts.price.currency))} a unit at "
            f"{_after(last.months)} is interest.",
        )
    )  # fmt: skip
    return Classification(Kind.FINANCING, tuple(trace))


# -- a put -----------------------------------------------------------------------------------------------


def _put(facts: BookFacts, put: Put, trace: list[Step]) -> Classification:
    compared = _compare(facts, put.exercises, trace, "IFRS 15 B70, B75; ASC 606-10-55-72, 55-77")
    if compared.unsaid:
        return Classification(Kind.JUDGEMENT, tuple(trace), needs_rate=True)
    if compared.below and compared.above:
        trace.append(_straddles("IFRS 15 B70-B74; ASC 606-10-55-72 to 55-75"))
        return Classification(Kind.JUDGEMENT, tuple(trace))
    market = put.expected_market
    question = "Has the holder a significant economic incentive to make the maker buy?"
    reference = "IFRS 15 B70-B71; ASC 606-10-55-72, 55-73"
    if compared.above:
        question = "Is the repurchase price more than the unit is expected to be worth?"
        reference = "IFRS 15 B73-B74; ASC 606-10-55-75, 55-76"
    if market is None:
        trace.append(Step(question, reference, {}, "Nobody has said what a unit is expected to be worth then."))
        return Classification(Kind.JUDGEMENT, tuple(trace), needs_market=True)
    above = [exercise.price > market for exercise in put.exercises]
    lowest, highest = (pick(e.price for e in put.exercises) for pick in (min, max))
    figures = {"expected_market": _plain(market), "lowest_price": _plain(lowest), "highest_price": _plain(highest)}
    worth = _shown(Money(market, facts.price.currency))
    if any(above) and not all(above):
        trace.append(Step(question, reference, figures, f"On some dates only: a unit is expected to be worth {worth}."))
        return Classification(Kind.JUDGEMENT, tuple(trace))
    if not any(above):
        trace.append(
            Step(
                question,
                reference,
                figures,
                f"No: a unit is expected to be worth {worth}, at least what it would fetch.",
            )
        )
        trace.append(
            Step(
                "What follows?", "IFRS 15 B72, B74, B20-B27; ASC 606-10-55-74, 55-76, 55-22 to 55-29", {},
                "A sale with a right of return: revenue for the units that are not expected back.",
            )
        )  # fmt: skip
        return Classification(Kind.SALE_WITH_RETURN, tuple(trace))
    trace.append(Step(question, reference, figures, f"Yes: a unit is expected to be worth only {worth}."))
    if compared.above:
        return _financing(facts, put.exercises, trace, "IFRS 15 B73; ASC 606-10-55-75")
    return _lease(facts, trace, "IFRS 15 B70; ASC 606-10-55-72")


def _refusal(right: FirstRefusal, trace: list[Step]) -> Classification:
    ties = [
        words
        for bound, words in (
            (right.fixed_price, "its price is fixed in advance"),
            (right.holder_compelled, "the holder is in effect compelled to offer"),
            (right.common_practice, "the maker commonly takes the units"),
        )
        if bound
    ]
    figures = {
        "fixed_price": right.fixed_price, "holder_compelled": right.holder_compelled,
        "common_practice": right.common_practice,
    }  # fmt: skip
    question = f"Does being asked first, {right.before}, work like a call?"
    reference = "IFRS 15 B64-B66, BC423; ASC 606-10-55-66 to 55-68"
    if ties:
        words = f"It may: {phrases.listed(ties)}. That is for the auditor."
        trace.append(Step(question, reference, figures, words))
        return Classification(Kind.JUDGEMENT, tuple(trace))
    words = "No: the maker pays what anybody else would, and the holder decides whether to part with the units. A sale."
    trace.append(Step(question, reference, figures, words))
    return Classification(Kind.SALE, tuple(trace))


# -- comparing -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Compared:
    """Whether the present value is, on any date, below the price paid; at or above it. ``unsaid``: it takes a rate."""

    below: bool
    above: bool
    unsaid: bool = False


def _compare(facts: BookFacts, exercises: tuple[Exercise, ...], trace: list[Step], reference: str) -> _Compared:
    question = "Is the repurchase price, at its present value, less than the price paid on every date?"
    paid, currency = facts.price.amount, facts.price.currency
    prices = [exercise.price for exercise in exercises]
    figures: dict[str, Any] = {"price": _text(facts.price), "rate_bp": facts.rate_bp}
    if facts.rate_bp is None:
        figures |= {"lowest_price": _plain(min(prices)), "highest_price": _plain(max(prices))}
        span = _range(min(prices), max(prices), currency)
        if max(prices) < paid:
            answer = f"Yes, at any discount rate: {span} is less than {_shown(facts.price)} even undiscounted."
            trace.append(Step(question, reference, figures, answer))
            return _Compared(below=True, above=False)
        if all(e.months == 0 for e in exercises):
            trace.append(Step(question, reference, figures, f"No: {span} on the day of the sale."))
            return _Compared(below=min(prices) < paid, above=True)
        answer = f"State a discount rate: {span} is, undiscounted, not always less than {_shown(facts.price)}."
        if len(exercises) <= _MOST_DATES:
            answer += f" {_what_rates_say(paid, exercises)}"
        trace.append(Step(question, reference, figures, answer))
        return _Compared(below=False, above=False, unsaid=True)
    dates = _valued(exercises, facts.rate_bp)
    low, high = min(value for _, value in dates), max(value for _, value in dates)
    below, above = low < paid, high >= paid
    figures |= {
        "lowest_present_value": _plain(low), "highest_present_value": _plain(high), "dates": len(dates),
        "listed": [
            {"months": e.months, "price": _plain(e.price), "present_value": _plain(value)} for e, value in _some(dates, low, high)
        ],
    }  # fmt: skip
    answer = "On some dates only" if below and above else "Yes" if below else "No"
    answer += (
        f": {_range(low, high, currency)} at {phrases.percent(facts.rate_bp)} a year, against {_shown(facts.price)}."
    )
    trace.append(Step(question, reference, figures, answer))
    return _Compared(below, above)


def _some(dates: Sequence[_Valued], low: Decimal, high: Decimal) -> Sequence[_Valued]:
    if len(dates) <= _MOST_DATES:
        return dates
    every = -(-len(dates) // (_MOST_DATES - 4))
    extremes = {next(i for i, (_, v) in enumerate(dates) if v == bound) for bound in (low, high)}
    return [d for i, d in enumerate(dates) if i % every == 0 or i == len(dates) - 1 or i in extremes]


def _what_rates_say(paid: Decimal, exercises: Sequence[Exercise]) -> str:
    """Up to which rate it is not less on any date, and from which it is less on every date."""
    lowest_for_less = _least_rate(lambda rate: all(present_value(e.price, rate, e.months) < paid for e in exercises))
    lowest_for_some = _least_rate(lambda rate: any(present_value(e.price, rate, e.months) < paid for e in exercises))
    words = []
    if lowest_for_some is None:
        words.append("It is not less at any rate.")
    elif lowest_for_some > 0:
        words.append(f"It is on no date less at {phrases.percent(lowest_for_some - 1)} a year or below.")
    if lowest_for_less is not None:
        words.append(f"It is less on every date from {phrases.percent(lowest_for_less)} a year on.")
    elif lowest_for_some is not None:
        words.append("There is no rate at which it is less on every date.")
    return " ".join(words)


def _least_rate(holds: Callable[[int], bool]) -> int | None:
    """The least rate in basis points at which it holds; it holds at every higher one."""
    low, high = 0, MAX_RATE_BP
    if not holds(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


# -- words -----------------------------------------------------------------------------------------------


def _plain(amount: Decimal) -> str:
    return f"{amount.quantize(_STEP, ROUND_HALF_UP):f}"


def _text(money: Money) -> str:
    return f"{_plain(money.amount)} {money.currency}"


def _shown(money: Money) -> str:
    """As people read it: to the currency's minor unit, unless that would hide what small parts cost."""
    exact = Money(money.amount.quantize(_STEP, ROUND_HALF_UP), money.currency)
    return str(exact if 0 < abs(exact.amount) < 1 else exact.rounded())


def _range(low: Decimal, high: Decimal, currency: str) -> str:
    first, last = _shown(Money(low, currency)), _shown(Money(high, currency))
    return first if first == last else f"{first.removesuffix(f' {currency}')} to {last}"


def _after(months: int) -> str:
    if months == 0:
        return "the day of the sale"
    years, rest = divmod(months, 12)
    return phrases.count(months, "month") if rest or months < 12 else phrases.count(years, "year")


def _span(exercises: Sequence[Exercise]) -> str:
    first, last = exercises[0].months, exercises[-1].months
    if first == last:
        return f"on {_after(first)}" if first == 0 else f"{_after(first)} after the sale"
    if first == 0:
        return f"from the day of the sale until {_after(last)} after it"
    return f"from {_after(first)} until {_after(last)} after the sale"
