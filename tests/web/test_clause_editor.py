"""The editor of the second library: every kind of term, several clauses, errors where they belong; on a database in which
all of it is released."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest

from marketplace.agreements.calendars import named_calendars
from marketplace.agreements.combinations import COMBINATIONS
from marketplace.agreements.terms import dump_terms, parse_terms
from marketplace.kit.errors import DomainError
from tests.marketplace.agreements.second import BASES, INDEXED
from tests.web.test_release_pages import drafted, fields
from tests.web.trade import Market, add_stock, open_market
from tests.world import World
from web.clause_forms import ClausesForm
from web.forms import Fields, Form
from web.terms_form import from_form, named_for_form, to_form

PRICES: Mapping[str, Mapping[str, Any]] = {
    "fixed": {"kind": "fixed", "amount": "12.5"},
    "percent_of_sale": {"kind": "percent_of_sale", "percent_bp": 8_550},
    "schedule": {
        "kind": "schedule", "shape": "linear", "declining": True,
        "points": [{"after_months": 0, "percent_bp": 9_000}, {"after_months": 60, "percent_bp": 4_025}],
    },
    "indexed": INDEXED,
    "percent_of_list": {"kind": "percent_of_list", "percent_bp": 9_000, "superseded_bp": 8_500},
    "cost_plus": {
        "kind": "cost_plus", "basis": "stated_cost", "markup_bp": 500, "storage_month_bp": 25, "storage_cap_bp": 1_000,
        "inbound_freight": True,
    },
    "market_minus": {
        "kind": "market_minus", "source": "the dealers' guide", "discount_bp": 1_000, "max_age_days": 90, "fallback_bp": 6_000,
    },
    "match_third_party": {"kind": "match_third_party", "discount_bp": 250, "no_offer_bp": 2_000},
}  # fmt: skip
LISTS: Mapping[str, Any] = {
    "minimum_to_keep": 4,
    "minimum_steps": [{"after_months": 24, "percent_bp": 5_000}, {"after_months": 48, "percent_bp": 0}],
    "blackouts": [
        {"from_month": 12, "from_day": 24, "to_month": 1, "to_day": 6},
        {"from_month": 8, "from_day": 1, "to_month": 8, "to_day": 14},
    ],
    "use_rule": "within_allowance",
    "use_allowance": {"kind": "share_of_sold", "share_bp": 1_250, "period_months": 12, "carry_over_periods": 2},
    "grade_adjustments": [{"grade": "new", "percent_bp": 10_000}, {"grade": "used_tested", "percent_bp": 6_050}],
    "day_count": "business",
    "holiday_calendar": "US-TX",
    "export_class": "EAR99",
    "hazmat_un": 1_263,
    "max_units": 6,
}


def through_the_form(clause: str, version: int, terms: Mapping[str, Any]) -> dict[str, Any]:
    """What a form filled in with these terms sends back."""
    given = Fields(to_form(clause, version, terms))
    raw = from_form(given, clause, version)
    assert given.errors == ()
    return dump_terms(parse_terms(clause, version, {**raw, "use_class": terms["use_class"]}))


@pytest.mark.parametrize(
    ("clause", "version", "kind"),
    [
        (clause, version, kind)
        for clause, version in BASES
        for kind in PRICES
        if clause == "first-refusal" or (clause != "title-kept" and kind != "match_third_party")
    ],
)
def test_every_kind_of_price_survives_the_form(clause: str, version: int, kind: str) -> None:
    terms = dump_terms(parse_terms(clause, version, {**BASES[clause, version], "price": PRICES[kind]}))
    assert through_the_form(clause, version, terms) == terms


def test_lists_choices_and_what_may_be_left_out_survive_the_form() -> None:
    terms = dump_terms(parse_terms("buy-back", 2, {**BASES["buy-back", 2], **LISTS}))
    assert through_the_form("buy-back", 2, terms) == terms
    per_period = {"kind": "units", "units": 3, "period_months": 6, "carry_over_periods": 0}
    terms = dump_terms(parse_terms("title-kept", 1, {
        **BASES["title-kept", 1], "use_rule": "within_allowance", "use_allowance": per_period,
    }))  # fmt: skip
    assert through_the_form("title-kept", 1, terms) == terms


@pytest.mark.parametrize(
    ("typed", "spans"),
    [
        ("24 Dec - 6 Jan", [(12, 24, 1, 6)]),
        ("1 august to 14 Aug.\n\n24. December – 6. january", [(8, 1, 8, 14), (12, 24, 1, 6)]),
        ("", []),
    ],
)
def test_days_without_orders_are_read_as_people_write_them(typed: str, spans: list[tuple[int, ...]]) -> None:
    values = to_form("buy-back", 2, BASES["buy-back", 2]) | {"t_blackouts": typed}
    given = Fields(values)
    found = from_form(given, "buy-back", 2)["blackouts"]
    assert given.errors == ()
    assert [(b["from_month"], b["from_day"], b["to_month"], b["to_day"]) for b in found] == spans


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"t_blackouts": "Christmas"}, "t_blackouts"),
        ({"t_blackouts": "24 Foo - 6 Jan"}, "t_blackouts"),
        ({"t_minimum_steps": "later: 50"}, "t_minimum_steps"),
        ({"t_grade_adjustments_used": "half"}, "t_grade_adjustments_used"),
        ({"t_use_allowance_kind": "units", "t_use_allowance_units_units": "0"}, "t_use_allowance_units_units"),
        ({"t_holiday_calendar": "MARS"}, "t_holiday_calendar"),
        ({"t_price_kind": "indexed", "t_price_indexed_series": ""}, "t_price_indexed_series"),
        ({"t_price_kind": "match_third_party"}, "t_price_kind"),
    ],
)
def test_what_cannot_be_read_is_named_at_its_field(changed: dict[str, str], wrong: str) -> None:
    allowance = {"t_use_allowance_units_period_months": "6", "t_use_allowance_units_carry_over_periods": "0"}
    indexed = to_form("buy-back", 2, {**BASES["buy-back", 2], "price": INDEXED})
    values = {**to_form("buy-back", 2, BASES["buy-back", 2]), **allowance}
    values |= {name: value for name, value in indexed.items() if name.startswith("t_price_indexed")}
    given = Fields({**values, **changed})
    from_form(given, "buy-back", 2)
    assert [error.field for error in given.errors] == [wrong]


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"minimum_to_keep": 2, "minimum_steps": [
            {"after_months": 24, "percent_bp": 50}, {"after_months": 12, "percent_bp": 10}]}, ["t_minimum_steps"]),
        ({"blackouts": [{"from_month": 2, "from_day": 30, "to_month": 3, "to_day": 1}]}, ["t_blackouts"]),
        ({"grade_adjustments": [{"grade": "new", "percent_bp": 100}, {"grade": "new", "percent_bp": 90}]},
         ["t_grade_adjustments_new"]),
        ({"day_count": "business"}, ["t_holiday_calendar"]),
        ({"use_rule": "within_allowance"}, ["t_use_allowance_kind"]),
        ({"late_cap_bp": None}, ["t_late_cap_bp"]),
        ({"price": {**PRICES["cost_plus"], "storage_cap_bp": 0}}, ["t_price_cost_plus_storage_cap_bp"]),
        ({"price": {**INDEXED, "base_period": "November"}}, ["t_price_indexed_base_period"]),
        ({"price": {**INDEXED, "index_floor_bp": 20_000}}, ["t_price_indexed_index_floor_bp"]),
    ],
)  # fmt: skip
def test_contradictions_are_told_at_the_field_that_they_are_about(changed: dict[str, Any], wrong: list[str]) -> None:
    raw = {**BASES["buy-back", 2], **changed}
    with pytest.raises(DomainError) as refused:
        parse_terms("buy-back", 2, raw)
    named = named_for_form(refused.value, "buy-back", 2, raw)
    assert [error.field for error in named.fields] == wrong
    assert not any("_" in error.message for error in named.fields)


@pytest.mark.parametrize("combination", COMBINATIONS.values(), ids=lambda c: c.name)
def test_combinations_survive_the_form_with_what_they_share_asked_once(combination: Any) -> None:
    forms = ClausesForm.of([(c, v) for c, v, _ in combination.clauses])
    values = forms.values([terms for _, _, terms in combination.clauses])
    assert "first_refusal_minimum_to_keep" not in values
    sent = ClausesForm.sent(Form(values), ("buy-back", 1))
    assert sent == forms
    assert sent.read(Fields(values), "non_capital_spare") == combination.terms(use_class="non_capital_spare")


def test_what_the_clauses_say_against_each_other_is_told_at_a_field() -> None:
    both = COMBINATIONS["shelf-and-first-refusal"]
    forms = ClausesForm.of([(c, v) for c, v, _ in both.clauses])
    values = forms.values([terms for _, _, terms in both.clauses]) | {"first_refusal_applies_to": "floor"}
    with pytest.raises(DomainError) as refused:
        forms.read(Fields(values), "non_capital_spare")
    assert [error.field for error in refused.value.fields] == ["first_refusal_applies_to"]
    values |= {"first_refusal_applies_to": "free", "t_title": "consigned"}
    with pytest.raises(DomainError) as refused:
        forms.read(Fields(values), "non_capital_spare")
    assert [error.field for error in refused.value.fields] == ["t_title"], (
        "a shared term is told once, where it is asked"
    )


def test_every_calendar_is_one_that_a_contract_can_name() -> None:
    from marketplace.agreements.calendars import known_calendar

    found = dict(named_calendars())
    assert len(found) > 500
    assert (found["US"], found["US-TX"], found["DE-BY"]) == ("United States", "United States: Texas", "Germany: Bayern")
    assert all(known_calendar(code) for code in list(found)[::17])


# -- on pages ----------------------------------------------------------------------------------------------


@pytest.fixture
async def market(second_world: World) -> Market:
    made = await open_market(second_world)
    await add_stock(second_world)
    return made


@pytest.fixture
async def planner(market: Market) -> AsyncIterator[httpx.AsyncClient]:
    async with market.client(market.world.maker, "planner") as client:
        yield client


async def test_a_combination_is_drafted_changed_and_kept_with_all_its_clauses(
    market: Market, planner: httpx.AsyncClient
) -> None:
    new = (await planner.get("/releases/new")).text
    assert "A few on the shelf, and asked before the rest goes" in new
    draft = await drafted(planner, preset="shelf-and-first-refusal")
    page = (await planner.get(f"{draft}/terms")).text
    assert "And a first refusal" in page
    form = fields(page, f"{draft}/terms")
    assert form["further"] == "first-refusal"
    form |= {"t_price_kind": "market_minus", "t_price_market_minus_source": "the guide", "t_price_market_minus_discount_bp": "10",
             "t_price_market_minus_max_age_days": "90", "t_price_market_minus_fallback_bp": "60",
             "first_refusal_clearance_days": "30"}  # fmt: skip
    preview = await planner.post("/releases/preview", data=form)
    assert "the stricter binds" in preview.text
    assert (await planner.post(f"{draft}/terms", data=form)).status_code == 303
    row = await market.world.owner.fetchrow(
        "SELECT clause, terms->'price'->>'source' AS source, further->0->>'clause' AS beside, "
        "further->0->'terms'->>'clearance_days' AS cleared FROM release WHERE id::text = $1", draft.rpartition("/")[2],
    )  # fmt: skip
    assert tuple(row) == ("access-back", "the guide", "first-refusal", "30")


async def test_a_first_refusal_is_put_beside_a_clause_and_left_out_again(
    market: Market, planner: httpx.AsyncClient
) -> None:
    draft = await drafted(planner, preset="access-first")
    at = f"{draft}/terms"
    form = fields((await planner.get(at)).text, at)
    wider = await planner.post(at, data={**form, "t_clearance_days": "77", "add_first_refusal": "yes"})
    assert wider.status_code == 200
    both = fields(wider.text, at)
    assert (both["further"], both["t_clearance_days"]) == ("first-refusal", "77"), "what was typed is kept"
    assert "Leave the first refusal out" in wider.text
    before = await market.world.owner.fetchval(
        "SELECT further::text FROM release WHERE id::text = $1", draft.rpartition("/")[2]
    )
    assert before == "[]", "nothing is saved"
    assert (await planner.post(at, data=both)).status_code == 303
    kept = fields((await planner.get(at)).text, at)
    narrower = await planner.post(at, data={**kept, "leave_out": "yes"})
    alone = fields(narrower.text, at)
    assert "further" not in alone
    assert (await planner.post(at, data=alone)).status_code == 303
    after = await market.world.owner.fetchval(
        "SELECT further::text FROM release WHERE id::text = $1", draft.rpartition("/")[2]
    )
    assert after == "[]"


@pytest.mark.parametrize("kind", [kind for kind in PRICES if kind != "match_third_party"])
async def test_each_kind_of_price_is_told_in_plain_words(planner: httpx.AsyncClient, kind: str) -> None:
    terms = {**BASES["buy-back", 2], "price": PRICES[kind]}
    values = {
        "use_class": "non_capital_spare", "audience": "all",
        **ClausesForm.of([("buy-back", 2)]).values([terms]),
    }  # fmt: skip
    preview = await planner.post("/releases/preview", data={k: v for k, v in values.items() if v != ()})
    assert preview.status_code == 200
    assert "What does not fit" not in preview.text
    assert "The price of the schedule" in preview.text, preview.text
    assert "In your books" in preview.text


async def test_wrong_terms_of_either_clause_are_named_and_nothing_is_saved(
    market: Market, planner: httpx.AsyncClient
) -> None:
    draft = await drafted(planner, preset="shelf-and-first-refusal")
    at = f"{draft}/terms"
    form = fields((await planner.get(at)).text, at)
    bad = {**form, "t_blackouts": "Christmas", "first_refusal_clearance_days": "0", "title": "Changed"}
    page = await planner.post(at, data=bad)
    assert page.status_code == 422
    assert "is not a span of days" in page.text
    assert 'href="#f-first_refusal_clearance_days"' in page.text
    title = await market.world.owner.fetchval("SELECT title FROM release WHERE id::text = $1", draft.rpartition("/")[2])
    assert title == "End of series"
