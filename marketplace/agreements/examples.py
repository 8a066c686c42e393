"""Worked examples of a clause: facts with a clock and the outcome both lawyers agreed on, run as tests.

A document has ``terms`` and ``facts`` shared by all, and ``examples``: each a ``name``, changes to terms and
facts, ``now``, what is asked (``ask``: call, split, act, draw, loss, silence, settle; in the second library also put, due,
allowance, late, default, cover, count, breach, inspect, end, withdraw, must_buy, net) and ``expect``, a part of the answer.
Times are ISO 8601 texts, money is "412.10 USD".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from marketplace.agreements.clauses.buy_back import evaluate_put
from marketplace.agreements.clauses.title_kept import must_buy, withdrawal
from marketplace.agreements.condition import Offered, inspect_unit
from marketplace.agreements.dues import Event, Happened, net_due, obligations
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
from marketplace.agreements.example_facts import read_facts, read_moment, read_money
from marketplace.agreements.outcomes import Split
from marketplace.agreements.remedies import breach_of_minimum, count_result, cover, default_from, late_damages
from marketplace.agreements.renewal import end_of_term
from marketplace.agreements.term_kinds import Grade, Papers
from marketplace.agreements.terms import Terms, TermsV2, TitleKeptV1, parse_terms
from marketplace.agreements.use_allowance import allowance_on
from marketplace.kit.clock import local_day
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
    now = read_moment(example["now"])
    return _ASK[example["ask"]](_Question(terms, facts, now, example))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
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
    "Damages": "damages",
    "CountResult": "count",
    "Accepted": "accepted",
    "Rejected": "rejected",
    "EndOfTerm": "end",
    "Withdrawal": "withdrawal",
    "MustBuy": "must_buy",
}
_QUESTION_KEYS = (
    "act", "quantity", "noticed_at", "received_at", "replaced_at", "accepted_at", "respond_by", "event", "amount", "due",
    "delivered", "value", "contract_price", "cover_price", "unit", "unit_price", "to_holder", "to_manufacturer",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Question:
    terms: Terms
    facts: Facts
    now: datetime
    raw: Mapping[str, Any]

    def time(self, key: str) -> datetime:
        return read_moment(self.raw[key])

    def money(self, key: str) -> Money:
        return read_money(self.raw[key])

    @property
    def second(self) -> TermsV2:
        """The terms, of the second library alone."""
        if self.terms.generation == 1:
            raise TypeError("terms of the first library have no answer to this")
        return self.terms

    def time_or_none(self, key: str) -> datetime | None:
        return read_moment(self.raw[key]) if self.raw.get(key) else None


def _ask_call(ask: _Question) -> dict[str, Any]:
    return _answer(evaluate_call(ask.terms, ask.facts, ask.now))


def _ask_split(ask: _Question) -> dict[str, Any]:
    return _answer(split(ask.terms, ask.facts, ask.now))


def _ask_act(ask: _Question) -> dict[str, Any]:
    act, quantity, noticed_at = Act(ask.raw["act"]), ask.raw["quantity"], ask.time_or_none("noticed_at")
    return _answer(evaluate_holder_act(ask.terms, ask.facts, act, quantity, ask.now, noticed_at=noticed_at))


def _ask_draw(ask: _Question) -> dict[str, Any]:
    if ask.terms.clause != "access-back":
        raise TypeError("only access-back has draws")
    received_at, replaced_at = ask.time("received_at"), ask.time_or_none("replaced_at")
    return _answer(draw_outcome(ask.terms, ask.facts, received_at, ask.now, replaced_at=replaced_at))


def _ask_loss(ask: _Question) -> dict[str, Any]:
    return _answer(loss_outcome(ask.terms, ask.facts, ask.raw["quantity"], local_day(ask.now, ask.facts.zone)))


def _ask_silence(ask: _Question) -> dict[str, Any]:
    meaning = after_silence(ask.terms, ask.time("respond_by"), ask.now)
    return {"means": None if meaning is None else meaning.value}


def _ask_settle(ask: _Question) -> dict[str, Any]:
    return {
        "inspect_by": _plain(inspect_by(ask.terms, ask.time("received_at"), ask.facts.zone)),
        "pay_by": _plain(pay_by(ask.terms, ask.time("accepted_at"), ask.facts.zone)),
    }


def _ask_put(ask: _Question) -> dict[str, Any]:
    return _answer(evaluate_put(ask.terms, ask.facts, ask.raw["quantity"], ask.now))


def _ask_due(ask: _Question) -> dict[str, Any]:
    amount = ask.money("amount") if ask.raw.get("amount") else None
    act = Act(ask.raw.get("act", "use"))
    happened = Happened(
        event=Event(ask.raw["event"]), at=ask.now, units=ask.raw.get("quantity", 1), act=act, amount=amount
    )
    found = obligations(ask.second, ask.facts, happened)
    dues = [
        f"{due.who} {due.what}{f' {_plain(due.amount)}' if due.amount else ''}{f' by {_plain(due.by)}' if due.by else ''}"
        for due in found
    ]
    return {"dues": dues, "rests_on": [due.reason.term for due in found], "words": " ".join(due.words for due in found)}


def _ask_allowance(ask: _Question) -> dict[str, Any]:
    allowance = ask.second.use_allowance
    if allowance is None:
        raise TypeError("these terms have no allowance")
    state = allowance_on(allowance, ask.facts, local_day(ask.now, ask.facts.zone))
    return {name: _plain(value) for name, value in state._asdict().items()}


def _ask_late(ask: _Question) -> dict[str, Any]:
    due, delivered = ask.time("due"), ask.time("delivered")
    return _answer(late_damages(ask.second, ask.facts, ask.money("value"), due, delivered))


def _ask_default(ask: _Question) -> dict[str, Any]:
    return {"from": _plain(default_from(ask.second, ask.facts, ask.time("due")))}


def _ask_cover(ask: _Question) -> dict[str, Any]:
    prices = ask.money("contract_price"), ask.money("cover_price")
    return _answer(cover(ask.second, ask.facts, *prices, ask.raw["quantity"]))


def _ask_count(ask: _Question) -> dict[str, Any]:
    return _answer(count_result(ask.second, ask.facts, ask.raw["quantity"], ask.now))


def _ask_breach(ask: _Question) -> dict[str, Any]:
    return _answer(breach_of_minimum(ask.second, ask.facts, ask.raw["quantity"]))


def _ask_inspect(ask: _Question) -> dict[str, Any]:
    unit = dict(ask.raw["unit"])
    for name, kind in (("grade", Grade), ("papers", Papers)):
        if name in unit:
            unit[name] = kind(unit[name])
    return _answer(inspect_unit(ask.second, Offered(**unit), ask.money("unit_price")))


def _ask_end(ask: _Question) -> dict[str, Any]:
    return _answer(end_of_term(ask.second, ask.facts))


def _title_kept(ask: _Question) -> TitleKeptV1:
    if ask.terms.clause != "title-kept":
        raise TypeError("only title-kept has units that are taken out")
    return ask.terms


def _ask_withdraw(ask: _Question) -> dict[str, Any]:
    return _answer(withdrawal(_title_kept(ask), ask.facts, ask.raw["quantity"], ask.now))


def _ask_must_buy(ask: _Question) -> dict[str, Any]:
    answer = must_buy(_title_kept(ask), ask.facts, ask.now)
    return {"outcome": "nothing"} if answer is None else _answer(answer)


def _ask_net(ask: _Question) -> dict[str, Any]:
    to_holder, to_manufacturer = net_due(ask.second, ask.money("to_holder"), ask.money("to_manufacturer"))
    return {"to_holder": _plain(to_holder), "to_manufacturer": _plain(to_manufacturer)}


_ASK: Mapping[str, Callable[[_Question], dict[str, Any]]] = {
    "call": _ask_call,
    "split": _ask_split,
    "act": _ask_act,
    "draw": _ask_draw,
    "loss": _ask_loss,
    "silence": _ask_silence,
    "settle": _ask_settle,
    "put": _ask_put,
    "due": _ask_due,
    "allowance": _ask_allowance,
    "late": _ask_late,
    "default": _ask_default,
    "cover": _ask_cover,
    "count": _ask_count,
    "breach": _ask_breach,
    "inspect": _ask_inspect,
    "end": _ask_end,
    "withdraw": _ask_withdraw,
    "must_buy": _ask_must_buy,
    "net": _ask_net,
}
