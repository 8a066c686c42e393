"""Badges, summaries and phrases: what people read."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

import pytest

from marketplace.agreements import phrases
from marketplace.agreements.combinations import COMBINATIONS
from marketplace.agreements.evaluation import Act, evaluate_holder_act, loss_outcome
from marketplace.agreements.presets import PRESETS
from marketplace.agreements.prose import badge, price_words, summary, summary_of_lines, term_words
from marketplace.agreements.reach import minimum
from marketplace.agreements.terms import BuyBackV1, dump_terms, parse_terms
from marketplace.kit.errors import DomainError
from tests.marketplace.agreements.builders import NOW, facts, terms, usd
from tests.marketplace.agreements.second import second


def test_a_badge_reads_as_a_sentence() -> None:
    found = badge(terms("access-first", handling_bp=0, notice_days_stock=15), facts())
    assert found.short == "Buy-back · until Nov 2034"
    assert (
        found.sentence
        == "May be bought back until Nov 2034 at 85 % of the schedule's price, notice 24 hours (machine down) to 15 days (stock); keep 3 of 10."
    )


@pytest.mark.parametrize(
    ("preset", "change", "words"),
    [
        ("access-first", {"handling_bp": 0}, "at 85 % of what it was sold for (350.29 USD a unit), notice"),
        ("standard-buy-back", {}, "at 85 % of what it was sold for (350.29 USD a unit) plus 6 % handling, notice"),
        (
            "declining-buy-back",
            {"applies_to": "free", "minimum_to_keep": 2},
            "at 90 % to 40 % of what it was sold for (370.89 USD to 164.84 USD a unit), by age, notice",
        ),
        ("standard-buy-back", {"price": {"kind": "fixed", "amount": "1180.00"}}, "at 1,180.00 USD a unit"),
    ],
)
def test_a_badge_to_the_maker_is_worded_from_its_side(preset: str, change: dict[str, Any], words: str) -> None:
    sentence = badge(terms(preset, **change), facts(), to_maker=True).sentence
    assert words in sentence
    assert "your" not in sentence
    if change.get("minimum_to_keep"):
        assert sentence.endswith("; the holder keeps 2 of 10, which stay the holder's.")


@pytest.mark.parametrize(
    ("preset", "change", "sentence"),
    [
        (
            "standard-buy-back",
            {"window_start_months": 12, "notice_days_stock": 1, "respond_days_stock": 1},
            "May be bought back from Nov 2027 until Nov 2031 at 85 % of the schedule's price plus 6 % handling, notice 24 hours (machine down) to 1 day (stock).",
        ),
        (
            "declining-buy-back",
            {"applies_to": "free", "minimum_to_keep": 2},
            (
                "May be bought back until Nov 2031 at 90 % to 40 % of the schedule's price, by age, notice 24 hours (machine down) to 20 days (stock); "
                "keep 2 of 10, which stay yours."
            ),
        ),
        (
            "standard-buy-back",
            {"price": {"kind": "fixed", "amount": "1180.00"}, "handling_bp": 0},
            "May be bought back until Nov 2031 at 1,180.00 USD a unit, notice 24 hours (machine down) to 20 days (stock).",
        ),
        (
            "standard-access",
            {},
            (
                "May be drawn until Nov 2031, notice 24 hours (machine down) to 20 days (stock); replaced within 60 days or bought at 900.00 USD; "
                "keep 1 of 10, and only those."
            ),
        ),
    ],
)
def test_badges_of_other_terms(preset: str, change: dict[str, Any], sentence: str) -> None:
    assert badge(terms(preset, **change), facts(list_price=usd("900"))).sentence == sentence


def test_a_summary_has_the_dates_and_amounts_filled_in() -> None:
    lines = summary(terms("access-first", price_floor_bp=5000, holder_reserve=1), facts())
    assert lines[0] == "From 30 Nov 2026 until 30 Nov 2034 the manufacturer may order back any unit you still have."
    assert (
        lines[1] == "The schedule's price is 412.10 USD a unit; you get 85 % of the schedule's price plus 6 % handling."
    )
    assert lines[2] == "That is never less than 206.05 USD a unit."
    assert "Keep 3 of 10 units until 30 Nov 2034." in lines
    assert "Your own reserve is 1 unit: no order takes the last within reach." in lines
    assert lines[-1] == "Sell on only with written consent; the buyer takes the right over."


@pytest.mark.parametrize("applies_to", ["all", "free", "floor"])
def test_the_minimum_is_never_more_than_was_accepted(applies_to: str) -> None:
    chosen = terms(applies_to=applies_to, minimum_to_keep=3)
    assert minimum(chosen, facts(quantity_sold=5, remaining=2, minimum_to_keep=3, not_accepted=3)) == 2
    assert minimum(chosen, facts(quantity_sold=5, remaining=4, minimum_to_keep=3, not_accepted=1)) == 3
    gone = facts(quantity_sold=2, remaining=0, minimum_to_keep=2, not_accepted=2)
    assert minimum(chosen, gone) == 0
    assert "keep" not in badge(chosen, gone).sentence


def test_a_schedule_of_several_lines_tells_each() -> None:
    """Nobody reads the price of the first line and takes it for that of all."""
    chosen = terms("access-first")
    lines = [
        ("P-1", facts(sale_price=usd("150"), quantity_sold=5, remaining=5, minimum_to_keep=2)),
        ("P-2", facts(sale_price=usd("20"), minimum_to_keep=0)),
    ]
    told = summary_of_lines(chosen, lines)
    assert told[0] == "From 30 Nov 2026 until 30 Nov 2034 the manufacturer may order back any unit you still have."
    assert told[1].startswith("P-1: The schedule's price is 150.00 USD a unit; you get 85 % of the schedule's price")
    assert "Keep 2 of 5 units until 30 Nov 2034." in told[1]
    assert told[2].startswith("P-2: The schedule's price is 20.00 USD a unit;")
    assert "Keep" not in told[2]
    assert len({*told}) == len(told), "what they have in common is said once"
    assert sum("You ship within" in s for s in told) == 1

    alike = [("P-1", facts()), ("P-2", facts())]
    assert summary_of_lines(chosen, alike) == summary(chosen, facts()), "nothing to tell apart"
    assert summary_of_lines(chosen, alike[:1]) == summary(chosen, facts())
    assert summary_of_lines(chosen, []) == ()
    many = [(f"P-{n}", facts(sale_price=usd(str(n + 1)))) for n in range(8)]
    told = summary_of_lines(chosen, many)
    assert sum(s.startswith("P-") for s in told) == 6
    assert "The schedule has the price and the minimum to keep of 2 more lines." in told


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("change", [{}, {"resale": "not_allowed"}, {"runs_with_the_unit": False}])
def test_pages_use_the_words_of_the_trade(name: str, change: dict[str, Any]) -> None:
    lines = summary(terms(name, **change), facts())
    text = " ".join([*lines, badge(terms(name, **change), facts()).sentence]).lower()
    assert all(line.endswith(".") and line[0].isupper() for line in lines)
    for word in ("callback", "recall", "floor", "silence", "encumbr", "1 days", "1 units"):
        assert word not in text


def test_every_term_of_every_preset_has_words() -> None:
    for preset in PRESETS.values():
        filled = preset.terms()
        for name in preset.values:
            assert term_words(filled, name)
    assert term_words(terms(), "window_end_months") == "60 months"
    assert term_words(terms(), "respond_hours_machine_down") == "4 hours"
    assert term_words(terms(), "handling_bp") == "6 %"
    assert term_words(terms(), "price_cap_bp") == "without a cap"
    assert term_words(terms(max_exercises=1), "max_exercises") == "at most 1 order"
    assert term_words(terms(price_floor_bp=5050), "price_floor_bp") == "at least 50.5 % of the price paid"


def test_a_schedule_in_words() -> None:
    declining = terms("declining-buy-back")
    assert isinstance(declining, BuyBackV1)
    assert price_words(declining.price) == (
        "a share of the price paid, always declining: 90 % on the schedule date and 40 % 60 months after it, "
        "moving evenly by whole months from each share to the next, rounded down to 0.01 %"
    )


def test_phrases() -> None:
    assert [phrases.percent(bp) for bp in (0, 1, 10, 8500, 8550, 8555)] == [
        "0 %",
        "0.01 %",
        "0.1 %",
        "85 %",
        "85.5 %",
        "85.55 %",
    ]
    assert phrases.count(1, "unit") == "1 unit"
    assert phrases.count(1200, "unit") == "1,200 units"
    assert phrases.listed(["a"]) == "a"
    assert phrases.listed(["a", "b", "c"]) == "a, b and c"
    assert phrases.day(date(2028, 2, 29)) == "29 Feb 2028"
    midnight = datetime(2027, 3, 7, 6, 0, tzinfo=UTC)
    assert phrases.deadline(midnight, "America/Chicago") == "the end of 6 Mar 2027"
    assert phrases.deadline(midnight, "UTC") == "7 Mar 2027, 06:00 UTC"
    assert phrases.moment(midnight, "America/Chicago") == "7 Mar 2027, 00:00 CST"


@pytest.mark.parametrize(
    ("months", "words"), [(0, "from the schedule date on."), (1, "from 1 month after the schedule date on.")]
)
def test_from_when_units_may_be_sold_back(months: int, words: str) -> None:
    told = summary(second("buy-back", put_percent_bp=8_000, put_start_months=months), facts())
    assert f"You may sell units back at 80 % of the schedule's price, {words}" in told


def test_one_unit_is_and_two_are() -> None:
    for gone, words in ((1, "1 unit is missing from the minimum"), (2, "2 units are missing from the minimum")):
        assert words in loss_outcome(terms(loss_bearer="holder"), facts(minimum_to_keep=10), gone).words
    held = evaluate_holder_act(terms(), facts(in_transit=1), Act.MOVE_SITE, 10, NOW)
    assert held.words == "1 unit is already on the way between two sites."


NOT_TOLD = {
    # Where the text is read: about the unit on its way back, money and law, not about what may be done with it.
    "acknowledge_hours_machine_down", "acknowledge_days_urgent", "acknowledge_days_stock", "deliver_hours_machine_down",
    "deliver_days_urgent", "deliver_days_stock", "inspection_days", "payment_days", "set_off", "reject_remedy",
    "grade_adjustments", "remaining_shelf_life_bp", "storage_conditions", "storage_fee_bp", "count_tolerance_bp",
    "loss_bearer", "insolvency", "export_class", "hazmat_un", "returned_goods_months", "cure_days", "cover_purchase",
    "breach_cap_bp", "scope", "substitution", "substitution_direction", "rounding",
    # What silence means, and how long a clearance lasts, stands with each notice and its dates.
    "silence_on_notice", "silence_on_consent", "clearance_days",
    # Sentences of another term have it, or it only goes with one: the holiday calendar, the allowance, the renewal, the put.
    "day_count", "use_class", "title", "runs_with_the_unit", "max_renewals", "renewal_months", "non_renewal_days",
    "survival_months",
}  # fmt: skip
"""Terms that plain words need not have: where they are told instead."""
ALLOWANCE = {"kind": "units", "units": 3, "period_months": 12, "carry_over_periods": 0}
VARIED: dict[str, list[Any]] = {
    "blackouts": [[{"from_month": 12, "from_day": 20, "to_month": 12, "to_day": 31}]],
    "minimum_steps": [[{"after_months": 24, "percent_bp": 5_000}]],
    "use_allowance": [ALLOWANCE],
    "price": [{"kind": "fixed", "amount": "77.00"}],
    "max_units": [4], "max_exercises": [3], "put_percent_bp": [8_000], "must_buy_months": [30], "price_floor_bp": [9_000],
    "price_cap_bp": [1_000], "holiday_calendar": ["US"],
}  # fmt: skip
WITH: dict[str, dict[str, Any]] = {
    "minimum_steps": {"minimum_to_keep": 4}, "loss_compensation_bp": {"minimum_to_keep": 4},
    "breach_share_bp": {"minimum_to_keep": 4, "breach_cap_bp": 20_000, "breach_share_bp": 5_000}, "holiday_calendar": {"day_count": "business", "holiday_calendar": "DE"},
    "use_allowance": {"use_rule": "within_allowance", "use_allowance": {**ALLOWANCE, "units": 5}}, "max_units_months": {"max_units": 4},
    "blackout_machine_down": {"blackouts": VARIED["blackouts"][0]}, "put_start_months": {"put_percent_bp": 8_000},
    "partial_multiple": {"partial_minimum": 4, "partial_multiple": 2}, "resale": {"price": VARIED["price"][0]},
    "use_notice_days": {"use_rule": "after_notice"}, "resale_notice_days": {"resale": "offer_first"},
}  # fmt: skip


def _others(value: object) -> list[Any]:
    """Other values that a term could have."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value * 2, value - 1, value // 2]
    if isinstance(value, StrEnum):
        return [member.value for member in type(value) if member is not value]
    return [f"{value}x"] if isinstance(value, str) else []


@pytest.mark.parametrize("clause", ["buy-back", "access-back", "first-refusal", "title-kept"])
def test_every_term_that_changes_an_answer_is_in_the_plain_words(clause: str) -> None:
    """Changed by itself it changes them; or it stands in the list above of those that need not be there."""
    silent = []
    for name in set(type(second(clause)).model_fields) - {"clause", "version"} - NOT_TOLD:
        base = second(clause, **{**({"applies_to": "all"} if clause != "title-kept" else {}), **_given(clause, name)})
        told = summary(base, facts())
        changed = False
        for value in VARIED.get(name) or _others(getattr(base, name)):
            try:
                other = parse_terms(base.clause, base.version, {**dump_terms(base), name: value})
            except DomainError:
                continue
            changed = changed or summary(other, facts()) != told
        if not changed:
            silent.append(name)
    assert not silent, f"the plain words of {clause} are the same whatever these say: {sorted(silent)}"


def _given(clause: str, name: str) -> dict[str, Any]:
    """What must be agreed beside a term for it to mean something."""
    known = type(second(clause)).model_fields
    return {key: value for key, value in WITH.get(name, {}).items() if key in known and name in known}


def test_of_each_act_is_said_what_binds_and_only_that() -> None:
    access, refusal = COMBINATIONS["shelf-and-first-refusal"].terms()
    told = summary(access, facts(), [refusal])
    for act in ("scrap", "sell", "fit"):
        assert (
            len([words for words in told if f"{act}" in words.lower() and ("may" in words or "Before" in words)]) == 1
        ), told
    assert any("Before scrapping, offer" in words for words in told), "the stricter of the two"
    assert len(told) == len(set(told))


def test_what_this_period_leaves_no_order_for_is_told_apart_from_the_reserve() -> None:
    """Of ten units five can be ordered this period: one is the holder's reserve, four are beyond the most."""
    from marketplace.agreements.evaluation import evaluate_call, split
    from marketplace.sourcing.candidates import _why

    t = second(max_units=5, max_units_months=12, holder_reserve=1)
    f = facts(requested=10)
    assert (split(t, f, NOW).callable, split(t, f, NOW).blocked) == (5, 4)
    why = _why(5, evaluate_call(t, f, NOW), t, f, NOW, (t,))
    assert why.code == "period_used_up"
    assert "4 are beyond the most of 12 months (5 units) and 1 is the holder's own reserve" in why.words


@pytest.mark.parametrize(
    ("code", "place"), [("AU-TAS", "Tasmania, Australia"), ("DE", "Germany"), ("US-TX", "Texas, United States")]
)
def test_a_calendar_goes_by_the_name_of_its_place(code: str, place: str) -> None:
    business = second(day_count="business", holiday_calendar=code)
    told = " ".join(summary(business, facts()))
    assert f"business days ({place})" in told
    assert code not in told
    assert term_words(business, "holiday_calendar").endswith(f"the public holidays of {place} ({code})")


@pytest.mark.parametrize("chosen", [terms("access-first"), second()])
def test_the_time_to_ship_says_for_which_urgency(chosen: Any) -> None:
    told = " ".join(summary(chosen, facts()))
    hours, urgent, stock = chosen.notice_hours_machine_down, chosen.notice_days_urgent, chosen.notice_days_stock
    assert (
        f"You ship within {phrases.count(hours, 'hour')} of the order when a machine is down, "
        f"{phrases.count(urgent, 'day')} when urgent and {phrases.count(stock, 'day')} for a stock order"
    ) in told
