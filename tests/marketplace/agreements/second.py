"""Terms of the second library for tests, and random ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketplace.agreements import combinations
from marketplace.agreements.circumstances import Circumstances, Dated, Intent, MarketValue, Series
from marketplace.agreements.evaluation import Act, Facts
from marketplace.agreements.term_kinds import Grade
from marketplace.agreements.terms import TermsV2, Urgency, parse_terms
from marketplace.kit.clock import end_of_day
from marketplace.kit.money import Money
from tests.marketplace.agreements import builders

BASES: dict[tuple[str, int], dict[str, Any]] = {
    ("buy-back", 2): dict(combinations.BUY_BACK),
    ("access-back", 2): dict(combinations.ACCESS_BACK),
    ("first-refusal", 1): dict(combinations.FIRST_REFUSAL),
    ("title-kept", 1): dict(combinations.TITLE_KEPT),
}
CLAUSES = list(BASES)
ZONES = ["America/Chicago", "Europe/Berlin", "Australia/Lord_Howe", "America/Havana", "Asia/Kathmandu", "Pacific/Apia"]
SERIES = "Producer prices"


INDEXED: dict[str, Any] = {
    "kind": "indexed", "percent_bp": 8_000, "series": SERIES, "base_period": "2026-11", "lag_months": 2,
    "index_floor_bp": 9_000, "index_cap_bp": 12_000, "no_value": "last_known", "discontinued": "unchanged",
}  # fmt: skip


def indexed_facts() -> Facts:
    """One ordinary schedule, with the index known in its base month and the one that counts."""
    values = {"2026-11": Decimal(250), "2027-01": Decimal(260)}
    return builders.facts(circumstances=Circumstances(series=(Series(SERIES, values),)))


def full(clause: str = "buy-back", **changed: Any) -> TermsV2:
    """Terms in which every group says something: steps, an allowance, days without orders, business days, conditions, caps."""
    usual: dict[str, Any] = {
        "price": INDEXED, "minimum_to_keep": 4, "minimum_steps": [{"after_months": 24, "percent_bp": 5_000}],
        "holder_reserve": 1, "blackouts": [{"from_month": 12, "from_day": 20, "to_month": 12, "to_day": 31}],
        "option_premium_bp": 200, "put_percent_bp": 5_000, "put_start_months": 12, "price_floor_bp": 7_000,
        "price_cap_bp": 11_000, "day_count": "business", "holiday_calendar": "US-TX", "partial_minimum": 1,
        "max_exercises": 40, "max_units": 8, "max_units_months": 12, "use_rule": "within_allowance",
        "use_allowance": {"kind": "units", "units": 3, "period_months": 12, "carry_over_periods": 1},
        "renewal": "automatic", "renewal_months": 12, "max_renewals": 2, "non_renewal_days": 90,
        "grade_adjustments": [{"grade": "used_tested", "percent_bp": 8_000}, {"grade": "used", "percent_bp": 5_000}],
        "return_grade": "used", "breach_share_bp": 5_000, "breach_cap_bp": 20_000, "count_interval_months": 6,
        "storage_fee_bp": 100,
    }  # fmt: skip
    return second(clause, **usual, **changed)


def full_facts() -> Facts:
    """A schedule with a past: ordered, used, a clearance that has run, a notice that runs."""
    values = {"2026-11": Decimal(250), "2027-01": Decimal(260)}
    days = [date(2026, 12, 1) + timedelta(days=7 * n) for n in range(8)]
    known = Circumstances(
        series=(Series(SERIES, values),), ordered=tuple(Dated(day, 1) for day in days[:3]),
        used=tuple(Dated(day, 1) for day in days[3:5]), cleared=1, renewals=1,
    )  # fmt: skip
    return builders.facts(
        quantity_sold=30,
        remaining=24,
        held=2,
        quality_held=1,
        withdrawn=1,
        taken_back=3,
        exercises=3,
        circumstances=known,
    )


def check(*strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """``given`` without a clock: the first question about a holiday calendar reads it, which takes a while."""

    def wrap(test: Callable[..., None]) -> Callable[..., None]:
        return settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])(given(*strategies)(test))

    return wrap


def second(clause: str = "buy-back", **changed: Any) -> TermsV2:
    """Terms of the newest version of a clause, with some changed."""
    version = next(v for name, v in BASES if name == clause)
    made = parse_terms(clause, version, {**BASES[clause, version], **changed})
    assert made.generation == 2
    return made


prices = st.one_of(
    st.builds(lambda n: {"kind": "fixed", "amount": f"{n}.25"}, st.integers(1, 9_999)),
    st.builds(lambda n: {"kind": "percent_of_sale", "percent_bp": n}, st.integers(1, 30_000)),
    st.builds(
        lambda first, then, month, shape: {
            "kind": "schedule", "shape": shape, "declining": False,
            "points": [{"after_months": 0, "percent_bp": first}, {"after_months": month, "percent_bp": then}],
        },
        st.integers(1, 30_000), st.integers(1, 30_000), st.integers(1, 90), st.sampled_from(["step", "linear"]),
    ),
    st.builds(
        lambda share, lag, low, high, no_value, gone: {
            "kind": "indexed", "percent_bp": share, "series": SERIES, "base_period": "2026-11", "lag_months": lag,
            "index_floor_bp": low, "index_cap_bp": high, "no_value": no_value, "discontinued": gone,
        },
        st.integers(1, 30_000), st.integers(0, 12), st.integers(1, 10_000), st.integers(10_000, 50_000),
        st.sampled_from(["last_known", "unchanged"]), st.sampled_from(["last_known", "unchanged"]),
    ),
    st.builds(
        lambda share, later: {"kind": "percent_of_list", "percent_bp": share, "superseded_bp": later},
        st.integers(1, 30_000), st.integers(1, 30_000),
    ),
    st.builds(
        lambda basis, markup, storage, cap, freight: {
            "kind": "cost_plus", "basis": basis, "markup_bp": markup, "storage_month_bp": storage,
            "storage_cap_bp": cap, "inbound_freight": freight,
        },
        st.sampled_from(["price_paid", "stated_cost"]), st.integers(0, 10_000), st.integers(0, 500),
        st.integers(1, 10_000), st.booleans(),
    ),
    st.builds(
        lambda off, age, fallback: {
            "kind": "market_minus", "source": "a market", "discount_bp": off, "max_age_days": age,
            "fallback_bp": fallback,
        },
        st.integers(0, 9_999), st.integers(1, 730), st.integers(1, 30_000),
    ),
)  # fmt: skip
matched = st.builds(
    lambda off, share: {"kind": "match_third_party", "discount_bp": off, "no_offer_bp": share},
    st.integers(0, 9_999), st.integers(1, 30_000),
)  # fmt: skip
moments = st.datetimes(datetime(2026, 1, 1), datetime(2036, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
days = st.dates(date(2026, 1, 1), date(2030, 12, 31))


grade_tables = st.builds(
    lambda grades, shares: [
        {"grade": grade.value, "percent_bp": share}
        for grade, share in zip(sorted(grades, key=list(Grade).index), sorted(shares, reverse=True), strict=False)
    ],
    st.sets(st.sampled_from(Grade)), st.lists(st.integers(0, 10_000), min_size=6, max_size=6),
)  # fmt: skip
"""What each condition is paid, some of them named."""


@st.composite
def any_second(draw: st.DrawFn, clauses: list[tuple[str, int]] | None = None) -> TermsV2:
    """Any terms of any clause of the second library, as far as they decide who gets what."""
    clause, _ = draw(st.sampled_from(clauses or CLAUSES))
    keep, step = draw(st.integers(1, 8)), draw(st.integers(1, 3))
    rule = draw(st.sampled_from(["free", "within_allowance", "after_notice", "consent"]))
    business = draw(st.booleans())
    changed: dict[str, Any] = {
        "minimum_to_keep": keep,
        "minimum_steps": draw(
            st.sampled_from([
                [],
                [{"after_months": 6, "percent_bp": 5_000}],
                [{"after_months": 1, "percent_bp": 7_500}, {"after_months": 30, "percent_bp": 0}],
            ])
        ),
        "partial_multiple": step,
        "partial_minimum": step * draw(st.integers(1, 3)),
        "max_exercises": draw(st.none() | st.integers(1, 3)),
        "window_start_months": draw(st.integers(0, 24)),
        "use_rule": rule,
        "use_allowance": None
        if rule != "within_allowance"
        else {"kind": "units", "units": draw(st.integers(1, 5)), "period_months": draw(st.integers(1, 24)),
              "carry_over_periods": draw(st.integers(0, 3))},
        "scrap_rule": draw(st.sampled_from(["offer_first", "consent"])),
        "resale": draw(st.sampled_from(["offer_first", "consent", "not_allowed"])),
        "silence_on_notice": draw(st.sampled_from(["cleared", "refused"])),
        "silence_on_consent": draw(st.sampled_from(["refused", "given"])),
        "day_count": "business" if business else "calendar",
        "holiday_calendar": draw(st.sampled_from(["US", "DE-BY", "AU-NSW", "AE", "JP"])) if business else None,
        "insolvency": draw(st.sampled_from(["freeze", "freeze_and_add"])),
        "return_grade": draw(st.sampled_from(Grade)).value,
        "grade_adjustments": draw(grade_tables),
    }  # fmt: skip
    if clause != "title-kept":
        changed["applies_to"] = draw(st.sampled_from(["all", "free", "floor"]))
        floor = draw(st.none() | st.integers(1, 9_000))
        changed |= {
            "price": draw(matched | prices if clause == "first-refusal" else prices),
            "handling_bp": draw(st.integers(0, 5_000)),
            "price_floor_bp": floor,
            "price_cap_bp": draw(st.none() | st.integers(floor or 1, 12_000)),
            "rounding": draw(st.sampled_from(["half_up", "half_even", "up"])),
        }
        if clause == "first-refusal":
            changed["scrap_rule"] = "offer_first"
            if changed["price"]["kind"] == "match_third_party":
                changed["resale"] = "offer_first"
    if clause in ("buy-back", "access-back"):
        changed |= {
            "holder_reserve": draw(st.integers(0, keep - 1)),
            "max_units": draw(st.none() | st.integers(1, 6)),
            "max_units_months": draw(st.integers(1, 18)),
            "blackouts": draw(st.sampled_from([[], [{"from_month": 12, "from_day": 20, "to_month": 1, "to_day": 6}]])),
            "blackout_machine_down": draw(st.booleans()),
        }
    return second(clause, **changed)


@st.composite
def any_facts(draw: st.DrawFn) -> Facts:
    """One schedule in any state, and any circumstances."""
    sold = draw(st.integers(1, 30))
    remaining = draw(st.integers(0, sold))
    held = draw(st.integers(0, remaining))
    in_transit = draw(st.integers(0, remaining - held))
    start, zone = draw(days), draw(st.sampled_from(ZONES))
    paid = Money(Decimal(draw(st.integers(1, 10_000_000))) / 100, "USD")
    dated = st.lists(
        st.builds(lambda d, n: Dated(start + timedelta(days=d), n), st.integers(0, 2_000), st.integers(1, 4)),
        max_size=4,
    ).map(tuple)
    money = st.none() | st.integers(1, 10_000_000).map(lambda cents: Money(Decimal(cents) / 100, "USD"))
    months = st.sampled_from(["2026-10", "2026-11", "2027-05", "2028-02", "2029-12", "2033-03"])
    values = st.dictionaries(months, st.integers(-5, 400).map(Decimal), max_size=5)
    asked = end_of_day(start, zone) + timedelta(hours=draw(st.integers(0, 40_000)))
    intent = Intent(draw(st.sampled_from(Act)), draw(st.integers(1, 12)), asked, draw(money))
    return Facts(
        schedule_date=start,
        zone=zone,
        sale_price=paid,
        list_price=draw(money),
        quantity_sold=sold,
        remaining=remaining,
        requested=draw(st.integers(1, 30)),
        urgency=draw(st.sampled_from(Urgency)),
        held=held,
        in_transit=in_transit,
        taken_back=draw(st.integers(0, 3)),
        exercises=draw(st.integers(0, 3)),
        circumstances=Circumstances(
            series=draw(st.builds(lambda v, gone: (Series(SERIES, v, gone),), values, st.booleans())),
            stated_cost=draw(money),
            inbound_freight=draw(money),
            list_price_now=draw(money),
            superseded=draw(st.booleans()),
            market=draw(st.none() | st.builds(lambda d: MarketValue(Money(Decimal(77), "USD"), "a market", d), days)),
            intent=draw(st.none() | st.just(intent)),
            cleared=draw(st.integers(0, remaining - held)),
            ordered=draw(dated),
            used=draw(dated),
            frozen_days=draw(st.integers(0, 90)),
        ),
    )
