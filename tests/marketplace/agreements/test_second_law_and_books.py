"""What law and books are told about the clauses of the second library: their rights, how long, at which prices."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from marketplace.agreements.books import Kind, Sold, UnitClass, book_line, total
from marketplace.agreements.law import Jurisdiction, ask, check_law
from marketplace.agreements.queries.law import rules
from marketplace.agreements.rights import Right, rights_of
from marketplace.agreements.terms import Terms
from marketplace.kit.errors import DomainError
from tests.marketplace.agreements.builders import usd
from tests.marketplace.agreements.second import second

DAY = date(2026, 11, 30)
_INDEX = {
    "kind": "indexed", "percent_bp": 8_000, "series": "Producer prices", "base_period": "2026-11", "lag_months": 2,
    "index_floor_bp": 9_000, "index_cap_bp": 12_000, "no_value": "last_known", "discontinued": "unchanged",
}  # fmt: skip
_MARKET = {"kind": "market_minus", "source": "a market", "discount_bp": 1_000, "max_age_days": 90, "fallback_bp": 7_000}
_COST = {
    "kind": "cost_plus", "basis": "price_paid", "markup_bp": 0, "storage_month_bp": 100, "storage_cap_bp": 6_000,
    "inbound_freight": False,
}  # fmt: skip


def kinds(terms: Terms, rate_bp: int | None = None, keep: int = 0) -> dict[UnitClass, Kind]:
    line = book_line(terms, Sold(10, usd("400.00"), keep), DAY, rate_bp)
    assert line.units == 10
    return {booked.unit_class: booked.kind for booked in line.classes}


@pytest.mark.parametrize(
    ("terms", "rights"),
    [
        (second(), {Right.CALL}),
        (second(put_percent_bp=5_000), {Right.CALL, Right.PUT}),
        (second("access-back"), {Right.ACCESS_EXCHANGE, Right.CALL}),
        (second("first-refusal"), {Right.FIRST_REFUSAL}),
        (second("title-kept"), {Right.CONSIGN}),
    ],
)
def test_each_clause_names_its_rights(terms: Terms, rights: set[Right]) -> None:
    assert rights_of(terms) == rights


def test_a_match_without_a_sale_to_match_says_what_to_state_instead() -> None:
    """Golden case 7 as it is written, a matched price before scrapping only, names an offer that nobody makes: the released notes say
    that for units that are scrapped nobody offers. What is the market's price without an offer is its value: posted with that, it is
    booked as the case says; a share of the price paid is a fixed price, which an auditor judges."""
    match = {"kind": "match_third_party", "discount_bp": 0, "no_offer_bp": 2_000}
    with pytest.raises(DomainError) as refused:
        second("first-refusal", resale="not_allowed", price=match)
    (wrong,) = refused.value.fields
    assert (wrong.field, wrong.code) == ("resale", "terms.match")
    assert "a share of the price paid, or a market value" in wrong.message
    share = {"kind": "percent_of_sale", "percent_bp": 2_000}
    assert set(kinds(second("first-refusal", resale="not_allowed", price=_MARKET)).values()) == {Kind.SALE}
    assert set(kinds(second("first-refusal", resale="not_allowed", price=share)).values()) == {Kind.JUDGEMENT}


@pytest.mark.parametrize(
    ("terms", "rate_bp", "kind"),
    [
        # Golden cases 7, 8, 10 and 11 of the design, from terms.
        (second("first-refusal", resale="not_allowed", price=_MARKET), None, Kind.SALE),
        (second("first-refusal", use_rule="after_notice", price={"kind": "fixed", "amount": "180.00"}), None, Kind.JUDGEMENT),
        (second("title-kept"), None, Kind.CONSIGNMENT),
        (second("title-kept", title="retained_until_paid"), None, Kind.CONSIGNMENT),
        (second("access-back", applies_to="all"), None, Kind.JUDGEMENT),
        # Handling counts: 85 % and 6 % of it are 90.1 % of the price paid.
        (second(), None, Kind.LEASE),
        # An index bounded to 72 % to 96 % of the price paid is a lease at any rate.
        (second(price=_INDEX, handling_bp=0), None, Kind.LEASE),
        # One that may come to 108 % needs a rate, and straddles at a low one on the first day already.
        (second(price={**_INDEX, "percent_bp": 9_000}, handling_bp=0), None, Kind.JUDGEMENT),
        (second(price={**_INDEX, "percent_bp": 9_000}, handling_bp=0), 500, Kind.JUDGEMENT),
        # Opens after a year and is discounted by 20 %: 108 % are worth 90 %.
        (second(price={**_INDEX, "percent_bp": 9_000}, handling_bp=0, window_start_months=12), 2_000, Kind.LEASE),
        # Market prices are open, unless a floor and a cap bound them.
        (second(price=_MARKET), 800, Kind.JUDGEMENT),
        (second(price=_MARKET, price_cap_bp=9_000), 800, Kind.JUDGEMENT),
        (second(price=_MARKET, price_floor_bp=100, price_cap_bp=9_000), 800, Kind.LEASE),
        (second(price=_MARKET, price_floor_bp=15_000, price_cap_bp=20_000), 100, Kind.FINANCING),
        # Storage of 1 % a month of the price paid, compared with 5 % and with 20 % a year.
        (second(price=_COST, handling_bp=0, window_start_months=1), 500, Kind.FINANCING),
        (second(price=_COST, handling_bp=0, window_start_months=1), 2_000, Kind.LEASE),
        (second(price={**_COST, "inbound_freight": True}, handling_bp=0), 500, Kind.JUDGEMENT),
    ],
)  # fmt: skip
def test_units_are_booked_by_their_rights(terms: Terms, rate_bp: int | None, kind: Kind) -> None:
    assert set(kinds(terms, rate_bp).values()) == {kind}


def test_classes_of_units_are_booked_apart() -> None:
    kept = second(applies_to="floor", minimum_to_keep=3)
    assert kinds(kept, keep=3) == {UnitClass.FLOOR: Kind.LEASE, UnitClass.FREE: Kind.SALE}


def test_an_open_price_says_what_it_follows() -> None:
    line = book_line(second(price=_MARKET), Sold(10, usd("400.00"), 0), DAY, 800)
    assert "it follows the market" in line.classes[0].classification.trace[-1].answer


def test_a_put_at_the_price_of_the_call_is_told_as_a_forward() -> None:
    price = {"kind": "percent_of_sale", "percent_bp": 8_000}
    line = book_line(second(price=price, handling_bp=0, put_percent_bp=8_000), Sold(10, usd("400.00"), 0), DAY, None)
    assert "in effect a forward" in line.classes[0].classification.trace[0].answer
    other = book_line(second(price=price, handling_bp=0, put_percent_bp=7_000), Sold(10, usd("400.00"), 0), DAY, None)
    assert "forward" not in other.classes[0].classification.trace[0].answer


def test_the_prices_compared_are_those_that_the_terms_can_come_to() -> None:
    steps = {"kind": "schedule", "shape": "step", "declining": True,
             "points": [{"after_months": 0, "percent_bp": 9_000}, {"after_months": 24, "percent_bp": 5_000}]}  # fmt: skip
    line = book_line(second(price=steps, handling_bp=0), Sold(1, usd("400.00"), 0), DAY, 500)
    figures = next(s.figures for s in line.classes[0].classification.trace if "listed" in s.figures)
    assert [(row["months"], row["price"]) for row in figures["listed"]] == [
        (0, "360.0000"), (24, "360.0000"), (24, "200.0000"), (60, "200.0000")
    ]  # fmt: skip


def findings(terms: Terms, country: str) -> set[str]:
    question = ask(terms, Jurisdiction(country), [Jurisdiction(country)], every_holder=True, on=date(2026, 12, 1))
    return {finding.rule for finding in check_law(rules(), question)}


def test_the_law_is_asked_about_the_window_as_long_as_it_can_come_to_be() -> None:
    once: dict[str, Any] = {"renewal": "none", "renewal_months": 0, "max_renewals": 0}
    assert "fr-1660" not in findings(second(**once), "FR")
    # Agreed anew each time is no longer right; one that goes on by itself is.
    assert "fr-1660" not in findings(second(), "FR")
    assert "fr-1660" in findings(second(renewal="automatic"), "FR")
    assert "fr-1660" not in findings(second("first-refusal", renewal="automatic"), "FR")


def test_the_law_is_asked_about_the_time_to_answer_a_first_refusal() -> None:
    long = second("first-refusal", scrap_notice_days=30)
    assert ask(long, Jurisdiction("DE"), [Jurisdiction("DE")], every_holder=True, on=DAY).answer_days == 30
    short = second("first-refusal", scrap_notice_days=7, resale_notice_days=7)
    assert findings(long, "DE") - findings(short, "DE") == {"de-469"}
    assert ask(second(), Jurisdiction("DE"), [], every_holder=True, on=DAY).answer_days is None


@pytest.mark.parametrize(
    ("put_bp", "market_bp", "kind"),
    [
        (7_000, None, Kind.JUDGEMENT),
        (7_000, 4_000, Kind.LEASE),
        (7_000, 9_000, Kind.SALE_WITH_RETURN),
        (20_000, 15_000, Kind.FINANCING),
        (20_000, 25_000, Kind.SALE_WITH_RETURN),
    ],
)
def test_a_put_alone_is_asked_for_units_that_no_call_reaches(put_bp: int, market_bp: int | None, kind: Kind) -> None:
    """The call reaches three that are always kept; the holder may sell all ten back. What they are expected to be worth then
    decides about the seven."""
    terms = second(applies_to="floor", minimum_to_keep=3, put_percent_bp=put_bp)
    line = book_line(terms, Sold(10, usd("400.00"), 3), DAY, 100, market_bp=market_bp)
    found = {c.unit_class: c for c in line.classes}
    assert (found[UnitClass.FREE].units, found[UnitClass.FREE].kind) == (7, kind)
    assert found[UnitClass.FREE].classification.needs_market is (market_bp is None)
    assert total([line]).needs_market is (market_bp is None)
    assert not found[UnitClass.FLOOR].classification.needs_market, "there the call decides"
