"""Worked examples of a clause: facts with a clock and the outcome both lawyers agreed on, run as tests.

A document has ``terms`` and ``facts`` shared by all, and ``examples``: each a ``name``, changes to terms and
facts, ``now``, what is asked (``ask``: call, split, act, draw, loss, silence, settle) and ``expect``, a part of
the answer. Times are ISO 8601 texts, money is "412.10 USD".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from marketplace.agreements.evaluation import (
    Act,
    Facts,
    after_silence,
    draw_outcome,
    evaluate_call,
    evaluate_holder_act,
    inspect_by,
    loss_outcome,
    pay_by,
    split,
)
from marketplace.agreements.outcomes import Split
from marketplace.agreements.terms import AccessBackV1, Terms, Urgency, parse_terms
from marketplace.kit.errors import DomainError
from marketplace.kit.money import Money

Watch = Callable[[Terms], Terms]


def run_examples(
    clause: str, version: int, document: Mapping[str, Any], watch: Watch = lambda terms: terms
) -> list[str]:
    """Failures, one sentence each; empty when every example comes out as written.

    ``watch`` may wrap the terms before they are evaluated (a test records which of them are read).
    """
    failures: list[str] = []
    names: set[str] = set()
    for number, example in enumerate(document["examples"], start=1):
        name = str(example.get("name", f"example {number}"))
        if name in names:
            failures.append(f"{name}: there are two examples of this name.")
        names.add(name)
        try:
            answer = answer_example(clause, version, document, example, watch)
            expected = example["expect"]
        except (DomainError, KeyError, TypeError, ValueError) as error:
            failures.append(f"{name}: cannot be run ({type(error).__name__}: {error}).")
            continue
        if not expected:
            failures.append(f"{name}: expects nothing.")
        failures += [
            f"{name}: {key} should be {value!r}, is {answer.get(key, 'not in the answer')!r}."
            for key, value in expected.items()
            if key not in answer or answer[key] != value
        ]
    return failures


def answer_example(
    clause: str,
    version: int,
    document: Mapping[str, Any],
    example: Mapping[str, Any],
    watch: Watch = lambda terms: terms,
) -> dict[str, Any]:
    """What the evaluator says to one example, in plain values."""
    unknown = set(example) - {"name", "terms", "facts", "now", "ask", "expect", *_QUESTION_KEYS}
    if unknown:
        raise ValueError(f"unknown keys {sorted(unknown)}")
    terms = watch(parse_terms(clause, version, {**document["terms"], **example.get("terms", {})}))
    facts = read_facts({**document["facts"], **example.get("facts", {})})
    now = _moment(example["now"])
    return _ASK[example["ask"]](_Question(terms, facts, now, example))


def read_facts(raw: Mapping[str, Any]) -> Facts:
    """Facts from plain values; raises TypeError or ValueError for what is not one."""
    values = dict(raw)
    values["schedule_date"] = date.fromisoformat(values["schedule_date"])
    for name in ("sale_price", "list_price"):
        if values.get(name) is not None:
            values[name] = _money(values[name])
    if "urgency" in values:
        values["urgency"] = Urgency(values["urgency"])
    if values.get("notice_at") is not None:
        values["notice_at"] = _moment(values["notice_at"])
    return Facts(**values)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no zone")
    return moment


def _money(text: str) -> Money:
    amount, currency = text.split(" ")
    return Money(Decimal(amount), currency)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Money):
        return f"{value.rounded().amount} {value.currency}"
    return str(value) if isinstance(value, str) else value


def _answer(outcome: Any) -> dict[str, Any]:
    """The outcome's own fields; its kind under ``outcome``, the terms behind it under ``rests_on``."""
    if isinstance(outcome, Split):
        return {**outcome._asdict(), "words": outcome.words}
    answer = {name: _plain(value) for name, value in outcome._asdict().items()}
    answer["rests_on"] = [reason.term for reason in answer.pop("reasons", ())]
    answer["outcome"] = _OUTCOME_NAMES[type(outcome).__name__]
    replacement = answer.pop("replacement", None)
    if replacement is not None:
        answer["replace_days"] = replacement.replace_days
        answer["purchase_price"] = _plain(replacement.purchase_price)
    return answer


_OUTCOME_NAMES = {
    "Entitled": "entitled",
    "Refused": "refused",
    "Free": "free",
    "AfterNotice": "after_notice",
    "DrawOutcome": "draw",
    "LossOutcome": "loss",
}
_QUESTION_KEYS = ("act", "quantity", "noticed_at", "received_at", "replaced_at", "accepted_at", "respond_by")


@dataclass(frozen=True, slots=True)
class _Question:
    terms: Terms
    facts: Facts
    now: datetime
    raw: Mapping[str, Any]

    def time(self, key: str) -> datetime:
        return _moment(self.raw[key])

    def time_or_none(self, key: str) -> datetime | None:
        return _moment(self.raw[key]) if self.raw.get(key) else None


def _ask_call(ask: _Question) -> dict[str, Any]:
    return _answer(evaluate_call(ask.terms, ask.facts, ask.now))


def _ask_split(ask: _Question) -> dict[str, Any]:
    return _answer(split(ask.terms, ask.facts, ask.now))


def _ask_act(ask: _Question) -> dict[str, Any]:
    act, quantity, noticed_at = Act(ask.raw["act"]), ask.raw["quantity"], ask.time_or_none("noticed_at")
    return _answer(evaluate_holder_act(ask.terms, ask.facts, act, quantity, ask.now, noticed_at=noticed_at))


def _ask_draw(ask: _Question) -> dict[str, Any]:
    if not isinstance(ask.terms, AccessBackV1):
        raise TypeError("only access-back has draws")
    received_at, replaced_at = ask.time("received_at"), ask.time_or_none("replaced_at")
    return _answer(draw_outcome(ask.terms, ask.facts, received_at, ask.now, replaced_at=replaced_at))


def _ask_loss(ask: _Question) -> dict[str, Any]:
    return _answer(loss_outcome(ask.terms, ask.facts, ask.raw["quantity"]))


def _ask_silence(ask: _Question) -> dict[str, Any]:
    meaning = after_silence(ask.terms, ask.time("respond_by"), ask.now)
    return {"means": None if meaning is None else meaning.value}


def _ask_settle(ask: _Question) -> dict[str, Any]:
    return {
        "inspect_by": _plain(inspect_by(ask.terms, ask.time("received_at"), ask.facts.zone)),
        "pay_by": _plain(pay_by(ask.terms, ask.time("accepted_at"), ask.facts.zone)),
    }


_ASK: Mapping[str, Callable[[_Question], dict[str, Any]]] = {
    "call": _ask_call,
    "split": _ask_split,
    "act": _ask_act,
    "draw": _ask_draw,
    "loss": _ask_loss,
    "silence": _ask_silence,
    "settle": _ask_settle,
}
