"""Paid by condition on receipt, and handling beside the price: the pure part."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import strategies as st

from marketplace.agreements.facts import Facts
from marketplace.agreements.graded import SECTIONS, Finding, asked_for, choices, judge
from marketplace.agreements.pricing import parts_of, price_on
from marketplace.agreements.term_kinds import Grade, Papers
from marketplace.agreements.terms import TermsV2
from marketplace.kit.clock import add_months
from marketplace.kit.money import Money
from tests.agreed import CONTRACTS
from tests.marketplace.agreements.builders import facts as ordinary
from tests.marketplace.agreements.builders import usd
from tests.marketplace.agreements.second import CLAUSES, any_facts, any_second, check, second

TABLE: dict[str, Any] = {
    "return_grade": "used", "grade_adjustments": [
        {"grade": "remanufactured", "percent_bp": 8_000}, {"grade": "used_tested", "percent_bp": 6_000},
        {"grade": "used", "percent_bp": 3_333},
    ],
}  # fmt: skip


@check(any_second(), any_facts(), st.integers(0, 200), st.sampled_from(Grade))
def test_price_and_handling_are_what_the_evaluation_says_to_the_cent(
    t: TermsV2, f: Facts, months: int, grade: Grade
) -> None:
    """With floor, cap, every rounding and every condition: the two lines add up, and neither is below zero."""
    if t.clause == "title-kept":
        return
    price = price_on(t, f, add_months(f.schedule_date, months)).amount
    parts = parts_of(t, price)
    assert parts.price + parts.handling == price
    assert min(parts.price.amount, parts.handling.amount) >= 0
    assert parts.price == parts.price.rounded()
    assert bool(t.handling_bp) or not parts.handling.amount
    found = judge(t, Finding(grade=grade, quantity=3), price)
    named = {a.grade: a.percent_bp for a in t.grade_adjustments}
    better = [named[g] for g in Grade if g in named and list(Grade).index(g) <= list(Grade).index(grade)]
    assert found.each == price.share(better[-1] if better else 10_000, t.rounding)
    assert Decimal(0) <= found.handling.amount <= found.each.amount
    # A worse condition never fetches more, named or not.
    paid = [c.each.amount for c in choices(t, price)]
    assert paid == sorted(paid, reverse=True)


@pytest.mark.parametrize(
    ("changed", "price", "handling"),
    [
        ({}, "85.00", "5.10"),
        ({"price_cap_bp": 8_800}, "83.02", "4.98"),
        ({"price_floor_bp": 9_540}, "90.00", "5.40"),
        ({"handling_bp": 0}, "85.00", "0.00"),
    ],
)
def test_floor_and_cap_hold_price_and_handling_together(changed: dict[str, Any], price: str, handling: str) -> None:
    """100 paid, 85 % and 6 % handling: 90.10; held at 88 or raised to 95.40, both lines give way alike."""
    terms = second(**changed)
    amount = price_on(terms, ordinary(sale_price=usd("100.00")), date(2027, 3, 1)).amount
    assert parts_of(terms, amount) == (usd(price), usd(handling))


def test_a_reworked_unit_goes_by_the_grade_table() -> None:
    """What the holder has reworked comes back as remanufactured: four fifths of the price, whoever paid for the rework."""
    terms = second(**TABLE)
    found = judge(terms, Finding(grade=Grade.REMANUFACTURED, quantity=1), usd("90.10"))
    assert (found.each, found.percent_bp, found.failed) == (usd("72.08"), 8_000, "")
    assert found.words == "Remanufactured: 80 % of 90.10 USD, 72.08 USD a unit (buy-back version 2, section 9.5)."
    assert found.handling == usd("4.08")


def test_every_condition_says_what_it_pays_and_which_may_be_rejected() -> None:
    made = {c.grade: c for c in choices(second(**TABLE, reject_remedy="credit"), usd("90.10"))}
    assert [made[g].each.amount for g in Grade] == [
        Decimal(x) for x in ("90.10", "90.10", "72.08", "54.06", "30.03", "30.03")
    ]
    assert [g for g in Grade if made[g].may_reject] == [Grade.CORE]
    assert made[Grade.CORE].words == (
        "Core: 33.33 % of 90.10 USD, 30.03 USD a unit, as for used (buy-back version 2, section 9.5). It may be rejected: it is core; at least used is asked for. "
        "The manufacturer keeps it and pays nothing (buy-back version 2, sections 9.3 and 9.6)."
    )  # fmt: skip
    # The table may name what does not have to be taken back; where it names nothing better, the full price is paid.
    worse = [{"grade": "core", "percent_bp": 500}]
    made = {c.grade: c for c in choices(second(return_grade="used", grade_adjustments=worse), usd("100.00"))}
    assert [made[g].each.amount for g in Grade] == [Decimal(100)] * 5 + [Decimal(5)]
    assert made[Grade.CORE].may_reject


@pytest.mark.parametrize(
    ("finding", "failed"),
    [
        ({"grade": Grade.CORE}, "return_grade"),
        ({"grade": Grade.NEW, "papers": Papers.NONE}, "return_papers"),
        ({"grade": Grade.NEW, "shelf_life_left_bp": 2_999}, "remaining_shelf_life_bp"),
        ({"grade": Grade.NEW, "shelf_life_left_bp": 3_000}, ""),
        ({"grade": Grade.NEW, "papers": Papers.FULL_TRACE}, ""),
    ],
)
def test_what_is_not_as_agreed_names_the_term_it_fails(finding: dict[str, Any], failed: str) -> None:
    terms = second(**TABLE, remaining_shelf_life_bp=3_000, return_papers="certificate")
    rejected = judge(terms, Finding(quantity=2, accepted=False, **finding), usd("50.00"))
    assert (rejected.failed, rejected.each.amount) == (failed, 0)
    assert judge(terms, Finding(quantity=2, **finding), usd("50.00")).failed == failed
    assert len(asked_for(terms)) == 4


def test_yen_have_no_cents() -> None:
    parts = parts_of(second(handling_bp=333, rounding="up"), Money(Decimal(1_001), "JPY"))
    assert (parts.price.amount, parts.handling.amount) == (Decimal(969), Decimal(32))


@pytest.mark.parametrize(("clause", "version"), CLAUSES)
def test_the_sections_are_those_of_the_text(clause: str, version: int) -> None:
    section, where = "", {}
    for line in (CONTRACTS / clause / f"v{version}" / "clause.md").read_text().splitlines():
        if heading := re.match(r"## (\d+)\.", line):
            section = heading[1]
        elif number := re.match(r"(\d+)\. ", line):
            for term in re.findall(r"\{\{ (\w+) \}\}", line):
                where[term] = f"{section}.{number[1]}"
    assert {t: s for t, s in SECTIONS.items() if t in where and where[t] != s} == {}
