"""Legal limits: which of the rules in ``legal_limits.toml`` concern an agreement, and what follows from them. Pure; works on
the bytes of the file, and whoever calls reads them. Not legal advice: the file names its sources and what counsel has
still to confirm.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from marketplace.agreements.rights import Right, rights_of
from marketplace.agreements.terms import Terms
from marketplace.kit.errors import DomainError, FieldError, Kind


class Action(StrEnum):
    """What follows when a rule concerns an agreement, gravest first."""

    BLOCK = "BLOCK"
    """It is neither published nor signed."""
    USE_OTHER_RIGHT = "USE_OTHER_RIGHT"
    SPLIT_INTO_RENEWALS = "SPLIT_INTO_RENEWALS"
    WARN = "WARN"
    OK = "OK"
    """Worth knowing; nothing to do."""


class Subject(StrEnum):
    """What a rule limits."""

    WINDOW = "window"
    ANSWER = "answer"
    BORDER = "border"
    INSOLVENCY = "insolvency"


class Status(StrEnum):
    """How sure a rule is."""

    SETTLED = "settled"
    TO_BE_CONFIRMED = "to_be_confirmed"


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of the file, which says what its fields mean."""

    id: str
    country: str
    subdivision: str | None
    subdivision_names: frozenset[str]
    place: str
    rights: frozenset[Right]
    subject: Subject
    months: int | None
    days: int | None
    term: str
    action: Action
    status: Status
    source: str
    in_force: date
    words: str
    words_runs: str
    for_counsel: str


@dataclass(frozen=True, slots=True)
class LawBook:
    """All rules, and the areas of several countries that they name."""

    rules: tuple[Rule, ...]
    areas: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Jurisdiction:
    """A country (ISO 3166-1, two letters) and, where it is known, the part of it: a code or a name."""

    country: str
    subdivision: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the law is asked about. ``window_end_months``: how long the right runs from the sale; ``answer_days``: how long
    a first refusal may be answered. ``holders``: where the units are or may be; ``every_holder``: all of them will hold
    units (the one that signs, or the named partners), rather than any one of them may. ``on``: the day it is asked."""

    rights: frozenset[Right]
    window_end_months: int
    maker: Jurisdiction
    holders: tuple[Jurisdiction, ...]
    every_holder: bool
    on: date
    runs_with_the_unit: bool = False
    answer_days: int | None = None
    governing: Jurisdiction | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that concerns the agreement. ``certain``: False where it depends on who buys or where the units go.
    ``in_force``: since when the cited text stands. ``for_counsel``: what is doubtful about it, empty where nothing is
    known to be."""

    rule: str
    term: str
    action: Action
    status: Status
    place: str
    source: str
    words: str
    certain: bool
    in_force: date
    for_counsel: str = ""

    @property
    def blocks(self) -> bool:
        """Whether the agreement may not be published or signed as it is."""
        return self.action is Action.BLOCK and self.certain

    def plain(self) -> dict[str, Any]:
        """In JSON types, as it is stored with an agreement."""
        return {
            "rule": self.rule, "term": self.term, "action": self.action.value, "status": self.status.value,
            "place": self.place, "source": self.source, "words": self.words, "certain": self.certain,
            "in_force": self.in_force.isoformat(), "for_counsel": self.for_counsel,
        }  # fmt: skip


def found_again(raw: Mapping[str, Any]) -> Finding:
    """A stored finding."""
    typed = {
        "action": Action(raw["action"]),
        "status": Status(raw["status"]),
        "in_force": date.fromisoformat(raw["in_force"]),
    }
    return Finding(**{**raw, **typed})


def read_rules(content: bytes) -> LawBook:
    """The file as rules. Raises ValueError naming the rule that is not well formed."""
    raw = tomllib.loads(content.decode())
    rules = tuple(_rule(entry) for entry in raw["rule"])
    ids = [rule.id for rule in rules]
    if len(set(ids)) != len(ids):
        raise ValueError("legal_limits.toml: two rules have one id")
    return LawBook(rules, {name: frozenset(members) for name, members in raw["areas"].items()})


def _rule(raw: Mapping[str, Any]) -> Rule:
    try:
        rule = Rule(
            raw["id"], raw["country"], raw.get("subdivision"),
            frozenset(name.casefold() for name in raw.get("subdivision_names", ())), raw["place"],
            frozenset(Right(name) for name in raw["rights"]), Subject(raw["subject"]), raw.get("months"),
            raw.get("days"), raw["term"], Action(raw["action"]), Status(raw["status"]), raw["source"], raw["in_force"],
            raw["words"], raw.get("words_runs", ""), raw.get("for_counsel", ""),
        )  # fmt: skip
    except (KeyError, ValueError) as error:
        raise ValueError(f"legal_limits.toml: rule {raw.get('id', '(without id)')}: {error}") from None
    if rule.action is Action.BLOCK and rule.status is not Status.SETTLED:
        raise ValueError(f"legal_limits.toml: rule {rule.id} blocks before counsel has confirmed it")
    if type(rule.in_force) is not date:
        raise ValueError(f"legal_limits.toml: rule {rule.id} needs the day since which it is in force, as 1995-01-01")
    if rule.status is not Status.SETTLED and not rule.for_counsel:
        raise ValueError(f"legal_limits.toml: rule {rule.id} does not say what counsel is to confirm")
    if rule.subject is Subject.ANSWER and rule.days is None:
        raise ValueError(f"legal_limits.toml: rule {rule.id} needs a limit in days")
    return rule


def ask(
    terms: Terms,
    maker: Jurisdiction,
    holders: Sequence[Jurisdiction],
    *,
    every_holder: bool,
    on: date,
    governing: Jurisdiction | None = None,
) -> Question:
    """The question for an agreement under these terms. A window that renews itself is as long as it can come to be."""
    return Question(
        rights=rights_of(terms), window_end_months=terms.window_end_months + terms.longest_renewals, maker=maker, holders=tuple(holders),
        every_holder=every_holder, on=on, runs_with_the_unit=terms.runs_with_the_unit, governing=governing,
        answer_days=terms.notice_days_longest if terms.clause == "first-refusal" else None,
    )  # fmt: skip


def check_law(book: LawBook, question: Question) -> tuple[Finding, ...]:
    """Every rule that concerns the agreement, gravest first; nothing is left out because something graver was found."""
    found = [finding for rule in book.rules if (finding := _concerns(book, rule, question))]
    return _gravest_first(found)


def _gravest_first(found: Iterable[Finding]) -> tuple[Finding, ...]:
    order = list(Action)
    return tuple(sorted(found, key=lambda f: (not f.blocks, order.index(f.action), not f.certain, f.rule)))


def check_clauses(
    book: LawBook,
    clauses: Sequence[Terms],
    maker: Jurisdiction,
    holders: Sequence[Jurisdiction],
    *,
    every_holder: bool,
    on: date,
) -> tuple[Finding, ...]:
    """As ``check_law``, for all clauses of one agreement. A rule that concerns several of them is told once, for the first:
    what it says does not depend on which of them it is about."""
    found: dict[str, Finding] = {}
    for terms in clauses:
        for finding in check_law(book, ask(terms, maker, holders, every_holder=every_holder, on=on)):
            found.setdefault(finding.rule, finding)
    return _gravest_first(found.values())


def _concerns(book: LawBook, rule: Rule, question: Question) -> Finding | None:
    if rule.in_force > question.on or not rule.rights & question.rights or not _exceeds(rule, question):
        return None
    where = _where(book, rule, question)
    if where is None:
        return None
    says = f"{rule.words[0].lower()}{rule.words[1:]}"
    if where:
        words = f"{rule.place[0].upper()}{rule.place[1:]}: {says}"
    else:
        act = "leave" if rule.subject is Subject.BORDER else "go to"
        words = f"If the units {act} {rule.place}: {says}"
    if rule.words_runs and question.runs_with_the_unit:
        words += f" {rule.words_runs}"
    return Finding(
        rule.id, rule.term, rule.action, rule.status, rule.place, rule.source, words, where, rule.in_force, rule.for_counsel
    )  # fmt: skip


def _exceeds(rule: Rule, question: Question) -> bool:
    """Whether the limit is passed; a rule without one is about every such right."""
    if rule.subject is Subject.ANSWER:
        return question.answer_days is not None and rule.days is not None and question.answer_days > rule.days
    return rule.months is None or question.window_end_months > rule.months


def _where(book: LawBook, rule: Rule, question: Question) -> bool | None:
    """True: it holds there for certain; False: it may; None: it does not."""
    here = [_in(book, rule, holder) for holder in question.holders]
    if rule.subject is Subject.BORDER:
        if _in(book, rule, question.maker) is not True:
            return None
        return _of_holders([None if inside else True for inside in here], question)
    if rule.subject is not Subject.INSOLVENCY and any(
        _in(book, rule, place) is True for place in (question.maker, question.governing) if place
    ):
        return True
    return _of_holders(here, question)


def _of_holders(here: Sequence[bool | None], question: Question) -> bool | None:
    """Any one of those who will all hold units is enough; of those who only may, all of them are needed."""
    if not any(inside is not None for inside in here):
        return None
    return any(inside is True for inside in here) if question.every_holder else all(inside is True for inside in here)


def _in(book: LawBook, rule: Rule, place: Jurisdiction) -> bool | None:
    """True: the place lies there; False: it may, since only its country is known; None: it does not."""
    if place.country != rule.country and place.country not in book.areas.get(rule.country, ()):
        return None
    if rule.subdivision is None:
        return True
    if not place.subdivision:
        return False
    known = place.subdivision.casefold().removeprefix(f"{rule.country}-".casefold())
    return True if known == rule.subdivision.casefold() or known in rule.subdivision_names else None


_NOT_ALLOWED = "The law does not allow these terms."


def refuse_blocked(findings: Sequence[Finding]) -> None:
    """Raises ``law.blocked``, naming the term of every rule that blocks, if there is one."""
    blocking = [f for f in findings if f.blocks]
    if blocking:
        wrong = tuple(FieldError(f.term, f"law.{f.rule}", f"{_NOT_ALLOWED} {f.words} ({f.source})") for f in blocking)
        message = " ".join([_NOT_ALLOWED, *(f"{f.words} ({f.source})" for f in blocking)])
        raise DomainError(Kind.INVALID, "law.blocked", message, wrong)
