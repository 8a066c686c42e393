"""Terms of the second library: what is refused and by which name, and which clauses stand together."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from marketplace.agreements.circumstances import Circumstances, Intent
from marketplace.agreements.combinations import COMBINATIONS, starting_points
from marketplace.agreements.combined import Combined, best_call, flags, holder_act
from marketplace.agreements.evaluation import Act, AfterNotice, Entitled, Free, Need, Refused
from marketplace.agreements.missing import shortage, told
from marketplace.agreements.presets import PRESETS
from marketplace.agreements.terms import TERMS_TYPES, dump_terms, parse_terms
from marketplace.kit.errors import DomainError
from marketplace.kit.money import Money
from tests.marketplace.agreements.builders import NOW, facts, usd
from tests.marketplace.agreements.builders import terms as first
from tests.marketplace.agreements.second import BASES, second


def problems(clause: str, **changed: Any) -> dict[str, str]:
    version = next(v for name, v in BASES if name == clause)
    with pytest.raises(DomainError) as caught:
        parse_terms(clause, version, {**BASES[clause, version], **changed})
    assert caught.value.code == "terms.invalid"
    return {item.field: item.message for item in caught.value.fields}


_INDEX = {
    "kind": "indexed", "percent_bp": 8_000, "series": "Producer prices", "base_period": "2026-11", "lag_months": 2,
    "index_floor_bp": 9_000, "index_cap_bp": 12_000, "no_value": "last_known", "discontinued": "unchanged",
}  # fmt: skip
_MATCH = {"kind": "match_third_party", "discount_bp": 0, "no_offer_bp": 7_000}
_COST = {"kind": "cost_plus", "basis": "price_paid", "markup_bp": 500, "storage_month_bp": 50, "storage_cap_bp": 0,
         "inbound_freight": True}  # fmt: skip


def without(price: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in price.items() if key != name}


@pytest.mark.parametrize(
    ("clause", "changed", "field"),
    [
        ("buy-back", {"window_start_months": 60}, "window_end_months"),
        ("buy-back", {"applies_to": "floor"}, "minimum_to_keep"),
        ("buy-back", {"applies_to": "floor", "minimum_to_keep": 2, "holder_reserve": 2}, "holder_reserve"),
        ("buy-back", {"partial_minimum": 3, "partial_multiple": 2}, "partial_minimum"),
        ("buy-back", {"minimum_steps": [{"after_months": 6, "percent_bp": 5_000}]}, "minimum_steps"),
        (
            "buy-back",
            {"minimum_to_keep": 4, "minimum_steps": [{"after_months": 6, "percent_bp": 5_000}, {"after_months": 6, "percent_bp": 1}]},
            "minimum_steps.1.after_months",
        ),
        (
            "buy-back",
            {"minimum_to_keep": 4, "minimum_steps": [{"after_months": 6, "percent_bp": 5_000}, {"after_months": 9, "percent_bp": 5_000}]},
            "minimum_steps.1.percent_bp",
        ),
        ("buy-back", {"acknowledge_days_stock": 16}, "respond_days_stock"),
        ("buy-back", {"respond_days_urgent": 4}, "notice_days_urgent"),
        ("access-back", {"deliver_hours_machine_down": 23}, "deliver_hours_machine_down"),
        ("buy-back", {"day_count": "business"}, "holiday_calendar"),
        ("buy-back", {"holiday_calendar": "US"}, "holiday_calendar"),
        ("buy-back", {"day_count": "business", "holiday_calendar": "US-ZZ"}, "holiday_calendar"),
        ("buy-back", {"day_count": "business", "holiday_calendar": "Texas"}, "holiday_calendar"),
        ("buy-back", {"blackouts": [{"from_month": 2, "from_day": 30, "to_month": 3, "to_day": 1}]}, "blackouts.0.from_day"),
        ("buy-back", {"blackouts": [{"from_month": 13, "from_day": 1, "to_month": 3, "to_day": 1}]}, "blackouts.0.from_month"),
        ("buy-back", {"use_rule": "within_allowance"}, "use_allowance"),
        (
            "buy-back",
            {"use_allowance": {"kind": "units", "units": 1, "period_months": 1, "carry_over_periods": 0}},
            "use_allowance",
        ),
        ("buy-back", {"use_rule": "within_allowance", "use_allowance": {"kind": "some"}}, "use_allowance"),
        ("buy-back", {"use_rule": "within_allowance", "use_allowance": {"units": 3}}, "use_allowance"),
        (
            "buy-back",
            {"use_rule": "within_allowance",
             "use_allowance": {"kind": "units", "units": 0, "period_months": 1, "carry_over_periods": 0}},
            "use_allowance.units",
        ),
        ("buy-back", {"resale": "accession", "runs_with_the_unit": False}, "runs_with_the_unit"),
        ("buy-back", {"resale": "free"}, "resale"),
        ("buy-back", {"scope": "interchange", "substitution": "none"}, "substitution"),
        (
            "buy-back",
            {"grade_adjustments": [{"grade": "new", "percent_bp": 10}, {"grade": "new", "percent_bp": 10}]},
            "grade_adjustments.1.grade",
        ),
        (
            "buy-back",
            {"grade_adjustments": [{"grade": "used_tested", "percent_bp": 11}, {"grade": "new", "percent_bp": 10}]},
            "grade_adjustments",
        ),
        ("buy-back", {"title": "consigned"}, "title"),
        ("title-kept", {"title": "sold"}, "title"),
        ("buy-back", {"late_cap_bp": None}, "late_cap_bp"),
        ("buy-back", {"late_share_bp": 0}, "late_cap_bp"),
        ("buy-back", {"late_share_bp": 600}, "late_cap_bp"),
        ("buy-back", {"cover_cap_bp": None}, "cover_cap_bp"),
        ("buy-back", {"cover_purchase": False}, "cover_cap_bp"),
        ("buy-back", {"breach_cap_bp": None}, "breach_cap_bp"),
        ("buy-back", {"breach_share_bp": 0}, "breach_cap_bp"),
        ("buy-back", {"renewal_months": 0}, "renewal_months"),
        ("buy-back", {"max_renewals": 0}, "max_renewals"),
        ("buy-back", {"renewal": "none"}, "renewal"),
        ("buy-back", {"max_renewals": 26}, "max_renewals"),
        ("buy-back", {"price_floor_bp": 9_000, "price_cap_bp": 8_000}, "price_floor_bp"),
        ("buy-back", {"price": _MATCH}, "price.kind"),
        ("access-back", {"price": _MATCH}, "price.kind"),
        ("first-refusal", {"resale": "consent"}, "resale"),
        ("first-refusal", {"resale": "not_allowed", "scrap_rule": "free", "price": {"kind": "fixed", "amount": "1"}}, "use_rule"),
        ("buy-back", {"price": {"kind": "appraisal"}}, "price"),
        ("buy-back", {"price": without(_INDEX, "no_value")}, "price.no_value"),
        ("buy-back", {"price": without(_INDEX, "discontinued")}, "price.discontinued"),
        ("buy-back", {"price": without(_INDEX, "index_cap_bp")}, "price.index_cap_bp"),
        ("buy-back", {"price": {**_INDEX, "base_period": "2026-13"}}, "price.base_period"),
        ("buy-back", {"price": {**_INDEX, "series": ""}}, "price.series"),
        ("buy-back", {"price": {**_INDEX, "series": "two\nlines"}}, "price.series"),
        ("buy-back", {"price": _COST}, "price.storage_cap_bp"),
        ("buy-back", {"put_percent_bp": 5_000, "put_start_months": 60}, "put_start_months"),
        ("buy-back", {"put_start_months": 6}, "put_start_months"),
        ("buy-back", {"incoterm": "DDU"}, "incoterm"),
        ("buy-back", {"incoterm_place": " "}, "incoterm_place"),
        ("buy-back", {"hazmat_un": 10_000}, "hazmat_un"),
        ("title-kept", {"resale": "free"}, "resale"),
        ("title-kept", {"scrap_rule": "free"}, "scrap_rule"),
        ("title-kept", {"must_buy_months": 61}, "must_buy_months"),
        ("title-kept", {"price": {"kind": "fixed", "amount": "1"}}, "price"),
        ("first-refusal", {"no_response": "accepted"}, "no_response"),
    ],
)  # fmt: skip
def test_terms_that_cannot_be_are_refused_by_name(clause: str, changed: dict[str, Any], field: str) -> None:
    found = problems(clause, **changed)
    assert list(found) == [field]
    assert found[field].endswith(".")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"acknowledge_days_stock": 10, "respond_days_stock": 3}, "An order must not have to be answered before it is acknowledged"),
        ({"respond_days_stock": 10, "notice_days_stock": 3}, "Units must not have to ship before the response"),
        ({"notice_days_stock": 20, "deliver_days_stock": 3}, "Units must not have to arrive before they ship"),
    ],
)  # fmt: skip
def test_a_clock_out_of_order_is_told_of_what_it_is_about(changed: dict[str, int], says: str) -> None:
    assert any(words.startswith(says) for words in problems("buy-back", **changed).values())


def test_every_problem_comes_back_at_once() -> None:
    found = problems(
        "buy-back", window_start_months=60, late_cap_bp=None, title="consigned", price=_MATCH, resale="free"
    )
    assert set(found) == {"window_end_months", "late_cap_bp", "title", "price.kind", "resale"}


@pytest.mark.parametrize(("clause", "version"), list(BASES))
def test_every_number_has_bounds(clause: str, version: int) -> None:
    may_be_none = {
        name for name in TERMS_TYPES[clause, version].model_fields if name.endswith(("_bp", "_months", "_units", "_un"))
    }
    numbers = [
        n for n, value in BASES[clause, version].items() if type(value) is int or (value is None and n in may_be_none)
    ]
    assert len(numbers) > 35
    for name in numbers:
        for absurd in (-1, 10**9, True, 1.5):
            assert name in problems(clause, **{name: absurd}), name


@pytest.mark.parametrize("combination", COMBINATIONS.values(), ids=lambda c: c.name)
def test_combinations_are_valid_complete_and_on_offer_once_all_their_clauses_are_released(combination: Any) -> None:
    for (clause, version, values), terms in zip(combination.clauses, combination.terms(), strict=True):
        assert (terms.clause, terms.version) == (clause, version)
        assert parse_terms(clause, version, dump_terms(terms)) == terms
        assert set(values) == set(TERMS_TYPES[clause, version].model_fields) - {"clause", "version"}
    wanted = {(clause, version) for clause, version, _ in combination.clauses}
    assert starting_points(wanted)[combination.name] is combination
    for missing in wanted:
        assert combination.name not in starting_points(wanted - {missing})


def test_the_presets_stay_on_offer_beside_the_combinations() -> None:
    first = {(p.clause, p.version) for p in PRESETS.values()}
    assert list(starting_points(first)) == list(PRESETS)
    assert set(starting_points(TERMS_TYPES)) == {*PRESETS, *COMBINATIONS}
    assert set(PRESETS) <= set(COMBINATIONS), "none of them is lost with the newer version"
    for name, preset in PRESETS.items():
        assert starting_points(first)[name].terms() == (preset.terms(),)


@pytest.mark.parametrize(
    ("clauses", "field", "code"),
    [
        ((second(), second()), "buy-back.clause", "terms.clause_twice"),
        ((first(), second("first-refusal")), "buy-back.version", "terms.first_library"),
        ((second("title-kept"), second(minimum_to_keep=0)), "title-kept.title", "terms.not_sold"),
        ((second(minimum_to_keep=3), second("first-refusal")), "first-refusal.minimum_to_keep", "terms.combination"),
        ((second(), second("first-refusal", rounding="up")), "first-refusal.rounding", "terms.combination"),
        ((second(), second("first-refusal", use_class="non_capital_spare")), "first-refusal.use_class", "terms.combination"),
        (
            (second(), second("first-refusal", day_count="business", holiday_calendar="US")),
            "first-refusal.day_count",
            "terms.combination",
        ),
        (
            (
                second("access-back", minimum_to_keep=3),
                second("first-refusal", minimum_to_keep=3, applies_to="floor"),
            ),
            "first-refusal.applies_to",
            "terms.reach_twice",
        ),
    ],
)  # fmt: skip
def test_clauses_that_contradict_each_other_are_refused_by_name(clauses: Any, field: str, code: str) -> None:
    with pytest.raises(DomainError) as caught:
        Combined(clauses)
    assert caught.value.code == "terms.combination"
    assert (field, code) in {(item.field, item.code) for item in caught.value.fields}
    assert field in caught.value.message


def test_an_agreement_without_a_clause_is_none() -> None:
    with pytest.raises(DomainError) as caught:
        Combined(())
    assert caught.value.code == "terms.combination"


def test_the_strictest_clause_is_named() -> None:
    both = Combined(COMBINATIONS["shelf-and-first-refusal"].terms())
    # Access to the minimum alone leaves scrap above it free; the first refusal wants it offered.
    scrap = holder_act(both, facts(), Act.SCRAP, 2, NOW)
    assert (scrap.clause, type(scrap.answer)) == ("first-refusal", AfterNotice)
    # Selling on: both want an offer first; were the access to want a yes, nothing would ever be offered.
    resale = holder_act(both, facts(), Act.RESELL, 2, NOW)
    assert isinstance(resale.answer, AfterNotice)
    assert resale.answer.needs is Need.OFFER
    access, refusal = both.clauses
    stricter = Combined((parse_terms("access-back", 2, {**dump_terms(access), "resale": "consent"}), refusal))
    resale = holder_act(stricter, facts(), Act.RESELL, 2, NOW)
    assert isinstance(resale.answer, AfterNotice)
    assert (resale.clause, resale.answer.clear_from) == ("access-back", None)
    assert isinstance(holder_act(both, facts(), Act.USE, 7, NOW).answer, Free)
    assert isinstance(holder_act(both, facts(), Act.USE, 8, NOW).answer, Refused)


def test_an_order_goes_by_the_clause_that_gets_the_most() -> None:
    both = Combined((second(minimum_to_keep=3), second("access-back", minimum_to_keep=3)))
    best = best_call(both, facts(requested=5), NOW)
    assert isinstance(best.answer, Entitled)
    assert (best.clause, best.answer.granted) == ("buy-back", 5)
    cheaper = best_call(both, facts(requested=2), NOW)
    assert isinstance(cheaper.answer, Entitled)
    assert (cheaper.clause, cheaper.answer.unit_price) == ("access-back", usd("20.61"))
    nothing = best_call(both, facts(suspended=True), NOW)
    assert isinstance(nothing.answer, Refused)


def test_a_first_refusal_beside_a_buy_back_answers_only_a_notice() -> None:
    both = Combined((second(), second("first-refusal")))
    silent, asked = facts(), facts(circumstances=Circumstances(intent=Intent(Act.SCRAP, 2, NOW)))
    assert best_call(both, silent, NOW).clause == "buy-back"
    # A fifth of the price paid is less than 85 % and handling.
    assert best_call(both, asked, NOW).clause == "first-refusal"


def test_a_put_at_the_price_of_the_call_is_flagged_as_a_forward() -> None:
    same = {"price": {"kind": "percent_of_sale", "percent_bp": 8_000}, "put_percent_bp": 8_000}
    assert [(f.field, f.code) for f in flags([second(handling_bp=0, **same)])] == [
        ("buy-back.put_percent_bp", "terms.forward")
    ]
    assert flags([second(**same)]) == ()
    assert flags([second(), first()]) == ()
    (kept,) = flags([second("title-kept")])
    assert kept.code == "terms.loss_above_minimum"
    assert "What is lost above the minimum is the manufacturer's loss" in kept.words


@pytest.mark.parametrize(
    "wrong",
    [
        {"cleared": 11},
        {"cleared": -1},
        {"stated_cost": Money(Decimal(1), "EUR")},
        {"intent": Intent(Act.USE, 0, NOW)},
        {"intent": Intent(Act.USE, 1, NOW.replace(tzinfo=None))},
    ],
)  # fmt: skip
def test_circumstances_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DomainError) as caught:
        facts(circumstances=Circumstances(**wrong))
    assert caught.value.code == "facts.invalid"


def test_the_price_of_consigned_units_is_at_stake_where_they_are_not_found() -> None:
    """What left without leave counts as taken out (title-kept, section 6.3): its price is owed beside what the minimum costs."""
    kept = shortage([second("title-kept", count_tolerance_bp=0, minimum_to_keep=0)], facts(remaining=10), 3, NOW)
    assert kept is not None
    assert kept.at_stake == facts().sale_price * 3
    assert f"At stake, if they left without leave: {kept.at_stake}" in told(kept)
    sold = shortage([second(count_tolerance_bp=0, minimum_to_keep=0)], facts(remaining=10), 3, NOW)
    assert sold is not None
    assert sold.at_stake.amount == 0, "units of the holder's own above the minimum cost nothing"
