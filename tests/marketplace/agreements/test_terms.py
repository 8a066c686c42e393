"""Parsing terms: every problem at once, in words, with the path of the field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from marketplace.agreements.presets import PRESETS
from marketplace.agreements.terms import TERMS_TYPES, dump_terms, parse_terms
from marketplace.kit.errors import DomainError, Kind

BUY_BACK = dict(PRESETS["standard-buy-back"].values)
ACCESS = dict(PRESETS["standard-access"].values)


def problems(raw: dict[str, Any], clause: str = "buy-back") -> dict[str, str]:
    with pytest.raises(DomainError) as caught:
        parse_terms(clause, 1, raw)
    assert caught.value.kind is Kind.INVALID
    assert caught.value.code == "terms.invalid"
    for item in caught.value.fields:
        assert f"{item.field}: {item.message}" in caught.value.message
    return {item.field: item.message for item in caught.value.fields}


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda p: p.name)
def test_presets_are_valid_and_survive_json(preset: Any) -> None:
    terms = preset.terms()
    text = json.dumps(dump_terms(terms), sort_keys=True)
    again = parse_terms(preset.clause, preset.version, json.loads(text))
    assert again == terms
    assert json.dumps(dump_terms(again), sort_keys=True) == text
    assert set(preset.values) == set(TERMS_TYPES[preset.clause, preset.version].model_fields) - {"clause", "version"}


def test_a_fixed_price_keeps_its_cents_through_json() -> None:
    terms = parse_terms("buy-back", 1, {**BUY_BACK, "price": {"kind": "fixed", "amount": "12.50"}})
    assert dump_terms(terms)["price"] == {"kind": "fixed", "amount": "12.50"}


def test_all_problems_come_back_at_once() -> None:
    raw: dict[str, Any] = {**BUY_BACK, "payment_days": 0, "inspection_days": "soon", "colour": "red", "resale": "maybe"}
    del raw["no_response"]
    assert problems(raw) == {
        "payment_days": "Must be at least 1.",
        "inspection_days": "Must be a whole number.",
        "colour": "buy-back/v1 has no such term.",
        "resale": "Must be one of 'not_allowed' or 'consent'.",
        "no_response": "This term is missing.",
    }


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"window_start_months": 60}, "window_end_months"),
        ({"applies_to": "floor"}, "minimum_to_keep"),
        ({"applies_to": "floor", "minimum_to_keep": 2, "holder_reserve": 2}, "holder_reserve"),
        ({"partial_minimum": 3, "partial_multiple": 2}, "partial_minimum"),
        ({"respond_hours_machine_down": 25}, "respond_hours_machine_down"),
        ({"respond_days_urgent": 4}, "respond_days_urgent"),
        ({"respond_days_stock": 21}, "respond_days_stock"),
        ({"price_floor_bp": 9000, "price_cap_bp": 8000}, "price_floor_bp"),
    ],
)
def test_terms_that_contradict_each_other_are_refused(change: dict[str, Any], field: str) -> None:
    assert list(problems({**BUY_BACK, **change})) == [field]


def test_several_contradictions_come_back_at_once() -> None:
    found = problems(
        {**BUY_BACK, "window_start_months": 60, "respond_days_urgent": 9, "price_floor_bp": 2, "price_cap_bp": 1}
    )
    assert set(found) == {"window_end_months", "respond_days_urgent", "price_floor_bp"}


def _points(*points: tuple[int, int]) -> dict[str, Any]:
    listed = [{"after_months": months, "percent_bp": share} for months, share in points]
    return {"kind": "schedule", "shape": "step", "declining": True, "points": listed}


@pytest.mark.parametrize(
    ("price", "field"),
    [
        ({"kind": "fixed", "amount": 12.5}, "price.amount"),
        ({"kind": "fixed", "amount": "-1"}, "price.amount"),
        ({"kind": "fixed", "amount": "NaN"}, "price.amount"),
        ({"kind": "fixed", "amount": "1.00001"}, "price.amount"),
        ({"kind": "fixed"}, "price.amount"),
        ({"kind": "percent_of_sale", "percent_bp": 30_001}, "price.percent_bp"),
        ({"kind": "appraisal"}, "price"),
        ({}, "price"),
        (_points((0, 9000)), "price.points"),
        (_points((1, 9000), (12, 8000)), "price.points.0.after_months"),
        (_points((0, 9000), (0, 8000)), "price.points.1.after_months"),
        (_points((0, 9000), (12, 9000)), "price.points.1.percent_bp"),
        (_points((0, 9000), (12, 8000), (24, True)), "price.points.2.percent_bp"),
    ],
)
def test_a_wrong_price_names_the_field_people_know(price: dict[str, Any], field: str) -> None:
    assert list(problems({**BUY_BACK, "price": price})) == [field]


def test_a_price_not_declared_to_decline_may_rise() -> None:
    price = {**_points((0, 5000), (12, 9000)), "declining": False}
    assert dump_terms(parse_terms("buy-back", 1, {**BUY_BACK, "price": price}))["price"] == price


@pytest.mark.parametrize("value", [True, 10.0, 1e30, "ten", None, [], "10.5"])
def test_only_whole_numbers_count_as_numbers(value: object) -> None:
    assert list(problems({**ACCESS, "replace_days": value}, "access-back")) == ["replace_days"]


def test_form_texts_are_read_and_empty_ones_count_as_missing() -> None:
    terms = parse_terms("access-back", 1, {**ACCESS, "replace_days": "45", "max_exercises": ""})
    assert dump_terms(terms)["replace_days"] == 45
    assert dump_terms(terms)["max_exercises"] is None
    assert problems({**ACCESS, "replace_days": ""}, "access-back") == {"replace_days": "This term is missing."}


def test_terms_of_another_clause_are_refused() -> None:
    assert list(problems({**ACCESS, "clause": "buy-back"}, "access-back")) == ["clause"]
    with pytest.raises(DomainError) as caught:
        parse_terms("buy-back", 9, BUY_BACK)
    assert caught.value.code == "terms.unknown_clause"


@pytest.mark.parametrize(("clause", "raw"), [("buy-back", BUY_BACK), ("access-back", ACCESS)])
def test_every_number_has_bounds(clause: str, raw: dict[str, Any]) -> None:
    numbers = [name for name, value in raw.items() if type(value) is int or name in {"max_exercises", "price_floor_bp"}]
    assert len(numbers) > 15
    for name in numbers:
        for absurd in (-1, 10**9):
            assert name in problems({**raw, name: absurd}, clause)
