"""Legal limits: the file itself, and which findings an agreement has."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from marketplace.agreements.law import (
    Action,
    Finding,
    Jurisdiction,
    Question,
    Status,
    ask,
    check_law,
    found_again,
    read_rules,
    refuse_blocked,
)
from marketplace.agreements.queries.law import rules
from marketplace.agreements.rights import Right, rights_of
from marketplace.kit.errors import DomainError
from tests.marketplace.agreements.builders import terms

US, FR, DE, IT = Jurisdiction("US"), Jurisdiction("FR"), Jurisdiction("DE"), Jurisdiction("IT")
CALL = frozenset({Right.CALL})


def question(holder: Jurisdiction, months: int, **more: object) -> Question:
    usual = Question(
        rights=CALL, window_end_months=months, maker=Jurisdiction("CH"), holders=(holder,), every_holder=True,
        on=date(2026, 11, 30),
    )  # fmt: skip
    return replace(usual, **more)


def found(asked: Question) -> dict[str, Finding]:
    return {finding.rule: finding for finding in check_law(rules(), asked)}


def test_every_limit_has_a_source_and_words() -> None:
    book = rules()
    assert len(book.rules) == 11
    for rule in book.rules:
        assert rule.source
        assert date(1800, 1, 1) < rule.in_force < date(2026, 11, 30)
        assert rule.action in Action
        assert rule.words.endswith(".")
        assert rule.rights
        assert not rule.for_counsel or (
            rule.for_counsel.endswith(".") and not rule.for_counsel.startswith("For counsel")
        )
    unsure = {rule.id for rule in book.rules if rule.status is Status.TO_BE_CONFIRMED}
    assert unsure == {"it-call", "es-call", "at-call", "ca-qc-call"}
    assert {rule.id for rule in book.rules if not rule.for_counsel} == {"de-469"}, "doubts are said in words"


@pytest.mark.parametrize(
    ("holder", "within", "beyond", "rule", "action"),
    [
        (FR, 60, 61, "fr-1660", Action.BLOCK),
        (Jurisdiction("US", "LA"), 60, 61, "us-la-2568", Action.BLOCK),
        (Jurisdiction("US", "Louisiana"), 60, 61, "us-la-2568", Action.BLOCK),
        (DE, 36, 37, "de-462", Action.OK),
        (IT, 24, 25, "it-call", Action.WARN),
        (Jurisdiction("ES"), 120, 121, "es-call", Action.WARN),
        (Jurisdiction("CA", "QC"), 60, 61, "ca-qc-call", Action.SPLIT_INTO_RENEWALS),
        (Jurisdiction("CA", "Québec"), 60, 61, "ca-qc-call", Action.SPLIT_INTO_RENEWALS),
    ],
)
def test_windows(holder: Jurisdiction, within: int, beyond: int, rule: str, action: Action) -> None:
    assert rule not in found(question(holder, within))
    finding = found(question(holder, beyond))[rule]
    assert (finding.action, finding.certain, finding.term) == (action, True, "window_end_months")
    assert finding.for_counsel.startswith(("Whether", "Which"))
    assert finding.in_force < date(2026, 11, 30)
    assert rule not in found(question(holder, beyond, rights=frozenset({Right.PUT})))


def test_austria_knows_the_right_for_immovables_only() -> None:
    assert found(question(Jurisdiction("AT"), 1))["at-call"].action is Action.USE_OTHER_RIGHT


def test_a_german_first_refusal() -> None:
    asked = question(DE, 60, rights=frozenset({Right.FIRST_REFUSAL}))
    assert "de-469" not in found(asked)
    assert "de-469" not in found(replace(asked, answer_days=7))
    assert found(replace(asked, answer_days=8))["de-469"].action is Action.OK


def test_the_maker_and_the_governing_law_decide_too() -> None:
    assert found(question(US, 61, maker=FR))["fr-1660"].blocks
    assert found(question(US, 61, governing=FR))["fr-1660"].blocks
    assert "fr-1660" not in found(question(US, 60, maker=FR))


def test_another_state_is_not_louisiana_and_an_unknown_one_may_be() -> None:
    assert "us-la-2568" not in found(question(Jurisdiction("US", "TX"), 96))
    maybe = found(question(US, 96))["us-la-2568"]
    assert not maybe.blocks
    assert maybe.words.startswith("If the units go to Louisiana: a right")
    # Where the units are decides; a maker whose state nobody knows decides nothing.
    assert "us-la-2568" not in found(question(Jurisdiction("CH"), 96, maker=US))


def test_one_of_several_possible_holders_does_not_block_the_others() -> None:
    several = question(US, 61, holders=(US, FR), every_holder=False)
    assert not found(several)["fr-1660"].blocks
    assert found(replace(several, every_holder=True))["fr-1660"].blocks
    assert found(replace(several, holders=(FR,)))["fr-1660"].blocks


def test_goods_that_come_back_over_a_border() -> None:
    assert "eu-203" in found(question(US, 37, maker=DE))
    assert "eu-203" not in found(question(US, 36, maker=DE))
    assert "eu-203" not in found(question(FR, 37, maker=DE))
    assert "us-9801" in found(question(DE, 37, maker=US))
    assert "us-9801" not in found(question(US, 37, maker=US))
    some = found(question(US, 37, maker=US, holders=(US, DE), every_holder=False))["us-9801"]
    assert not some.certain
    assert some.words.startswith("If the units leave the United States: goods")


def test_what_was_made_in_the_us_comes_back_free_of_duty_at_any_time() -> None:
    words = found(question(DE, 37, maker=US))["us-9801"].words
    assert "made elsewhere" in words
    assert "products of the United States at any time" in words


def test_a_rule_is_not_asked_before_it_is_in_force() -> None:
    late = replace(question(Jurisdiction("US", "LA"), 61), on=date(1994, 12, 31))
    assert "us-la-2568" not in found(late)
    assert found(replace(late, on=date(1995, 1, 1)))["us-la-2568"].blocks


def test_bankruptcy_of_a_holder_in_the_us() -> None:
    plain = found(question(US, 12))["us-365"]
    runs = found(question(US, 12, runs_with_the_unit=True))["us-365"]
    assert plain.action is runs.action is Action.WARN
    assert plain.term == "runs_with_the_unit"
    assert "does not bind a trustee" in runs.words
    assert "does not bind a trustee" not in plain.words
    assert "us-365" not in found(question(FR, 12, maker=US))


def test_what_blocks_comes_first_and_names_the_term() -> None:
    findings = check_law(rules(), question(Jurisdiction("US", "LA"), 96))
    assert [f.rule for f in findings] == ["us-la-2568", "us-365"]
    with pytest.raises(DomainError) as refused:
        refuse_blocked(findings)
    assert refused.value.code == "law.blocked"
    assert [(f.field, f.code) for f in refused.value.fields] == [("window_end_months", "law.us-la-2568")]
    refuse_blocked(check_law(rules(), question(US, 96)))


def test_terms_say_what_is_asked() -> None:
    assert rights_of(terms()) == CALL
    assert rights_of(terms("standard-access")) == {Right.ACCESS_EXCHANGE, Right.CALL}
    asked = ask(terms("access-first"), US, [FR], every_holder=True, on=date(2026, 11, 30))
    assert (asked.window_end_months, asked.runs_with_the_unit, asked.holders) == (96, True, (FR,))


def test_a_finding_is_stored_and_found_again() -> None:
    for finding in check_law(rules(), question(Jurisdiction("US", "LA"), 96)):
        assert found_again(finding.plain()) == finding


_RULE = """
[areas]
[[rule]]
id = "x"
country = "FR"
place = "France"
rights = ["call"]
subject = "window"
term = "window_end_months"
action = "BLOCK"
status = "settled"
source = "art."
in_force = 1804-03-16
words = "Words."
"""


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (_RULE.replace('"settled"', '"to_be_confirmed"'), "blocks before counsel"),
        (_RULE.replace('"call"', '"lien"'), "rule x"),
        (_RULE.replace("1804-03-16", '"long ago"'), "day since which"),
        (_RULE.replace("in_force = 1804-03-16", ""), "in_force"),
        (_RULE.replace('"BLOCK"', '"WARN"').replace('"settled"', '"to_be_confirmed"'), "counsel is to confirm"),
        (_RULE.replace('"window"', '"answer"'), "limit in days"),
        (_RULE + _RULE.partition("[areas]")[2], "one id"),
    ],
)
def test_a_malformed_file_is_refused(wrong: str, words: str) -> None:
    read_rules(_RULE.encode())
    with pytest.raises(ValueError, match=words):
        read_rules(wrong.encode())
