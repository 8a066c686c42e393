"""Cases of the evaluator beyond the worked examples in contracts/: edges, words, bad input."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from marketplace.agreements.evaluation import (
    Act,
    AfterNotice,
    DrawState,
    Entitled,
    Free,
    RefusalCode,
    Refused,
    draw_outcome,
    evaluate_call,
    evaluate_holder_act,
    loss_outcome,
    split,
)
from marketplace.agreements.terms import AccessBackV1, Urgency
from marketplace.kit.errors import DomainError
from marketplace.kit.money import Money
from tests.marketplace.agreements.builders import NOW, facts, terms, usd


def refused(**changed: Any) -> Refused:
    answer = evaluate_call(terms(), facts(**changed), NOW)
    assert isinstance(answer, Refused)
    return answer


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"suspended": True, "legal_hold": True, "remaining": 0}, RefusalCode.SUSPENDED),
        ({"out_of_force": "The agreement has ended.", "suspended": True}, RefusalCode.NOT_IN_FORCE),
        ({"legal_hold": True, "remaining": 0}, RefusalCode.LEGAL_HOLD),
        ({"remaining": 0, "schedule_date": date(2020, 1, 1)}, RefusalCode.WINDOW_CLOSED),
        ({"remaining": 0}, RefusalCode.NOTHING_LEFT),
        ({"remaining": 5, "held": 3, "in_transit": 1, "quality_held": 1}, RefusalCode.HELD),
        ({"remaining": 2, "in_transit": 1, "quality_held": 1}, RefusalCode.IN_TRANSIT),
        ({"remaining": 1, "quality_held": 1}, RefusalCode.QUALITY_HOLD),
    ],
)
def test_the_first_obstacle_is_named(change: dict[str, Any], code: RefusalCode) -> None:
    assert refused(**change).code is code


def test_words_carry_the_numbers() -> None:
    answer = refused(remaining=5, held=3, in_transit=1, quality_held=1)
    assert answer.words == (
        "All units that the right reaches are reserved or blocked: "
        "0 callable, 3 reserved, 1 on the way, 1 on quality hold."
    )
    parts = split(terms(holder_reserve=1), facts(remaining=6, held=2), NOW)
    assert parts.words == "3 callable, 2 reserved, 1 holder's reserve"


def test_a_blocked_schedule_says_what_blocks_it() -> None:
    parts = split(terms(), facts(schedule_date=date(2020, 1, 1), held=2), NOW)
    assert (parts.callable, parts.blocked, parts.blocked_by) == (0, 8, RefusalCode.WINDOW_CLOSED)
    assert parts.words == "0 callable, 2 reserved, 8 not now (right has ended)"


@pytest.mark.parametrize("requested", [0, -1])
def test_asking_for_no_unit_is_bad_input(requested: int) -> None:
    with pytest.raises(DomainError) as caught:
        evaluate_call(terms(), facts(requested=requested), NOW)
    assert caught.value.code in {"call.quantity", "facts.invalid"}


def test_a_time_without_zone_is_bad_input() -> None:
    with pytest.raises(DomainError) as caught:
        evaluate_call(terms(), facts(), datetime(2027, 3, 1))  # noqa: DTZ001
    assert caught.value.code == "time.naive"


@pytest.mark.parametrize(
    "change",
    [
        {"remaining": 11},
        {"held": -1},
        {"held": 6, "in_transit": 5},
        {"minimum_to_keep": 11},
        {"list_price": Money(Decimal(1), "EUR")},
        {"notice_at": datetime(2027, 3, 1)},  # noqa: DTZ001
    ],
)
def test_impossible_facts_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DomainError) as caught:
        facts(**change)
    assert caught.value.code == "facts.invalid"


def test_the_clock_around_the_ends_of_daylight_saving() -> None:
    # Chicago falls back on 7 November 2027 at 2:00: that day has 25 hours, and still counts as one.
    before = datetime(2027, 11, 6, 17, 0, tzinfo=UTC)
    urgent = evaluate_call(terms(), facts(urgency=Urgency.URGENT), before)
    assert isinstance(urgent, Entitled)
    assert urgent.respond_by == datetime(2027, 11, 8, 6, 0, tzinfo=UTC)
    down = evaluate_call(terms(), facts(urgency=Urgency.MACHINE_DOWN), before)
    assert isinstance(down, Entitled)
    assert (down.ship_by - before).total_seconds() == 24 * 3600


def test_a_window_that_ends_on_a_leap_day() -> None:
    t, f = terms(window_end_months=15), facts(schedule_date=date(2026, 11, 30))
    assert isinstance(evaluate_call(t, f, datetime(2028, 3, 1, 5, 59, tzinfo=UTC)), Entitled)
    answer = evaluate_call(t, f, datetime(2028, 3, 1, 6, 0, tzinfo=UTC))
    assert isinstance(answer, Refused)
    assert answer.words == "The right ended on 29 Feb 2028."


def test_a_price_is_rounded_once_with_handling_included() -> None:
    # 33.33 % of 10.05 is 3.349665, times 1.5 is 5.0244975. Rounded before handling it would be 3.35 * 1.5 = 5.03.
    t = terms(price={"kind": "percent_of_sale", "percent_bp": 3333}, handling_bp=5000)
    answer = evaluate_call(t, facts(sale_price=usd("10.05")), NOW)
    assert isinstance(answer, Entitled)
    assert answer.unit_price == usd("5.02")


def test_times_in_other_zones_come_back_in_utc() -> None:
    noticed = NOW.astimezone(ZoneInfo("Asia/Tokyo"))
    answer = evaluate_call(terms(), facts(urgency=Urgency.MACHINE_DOWN, notice_at=noticed), NOW)
    assert isinstance(answer, Entitled)
    assert answer.respond_by == NOW + timedelta(hours=4)
    assert answer.respond_by.tzinfo is UTC


def test_reserved_units_stay_reserved_after_the_window() -> None:
    f = facts(schedule_date=date(2020, 1, 1), held=4)
    answer = evaluate_holder_act(terms(), f, Act.SCRAP, 7, NOW)
    assert isinstance(answer, Refused)
    assert answer.code is RefusalCode.HELD
    assert isinstance(evaluate_holder_act(terms(), f, Act.SCRAP, 6, NOW), Free)


@pytest.mark.parametrize(
    ("change", "act", "quantity", "code"),
    [
        ({"legal_hold": True}, Act.MOVE_SITE, 1, RefusalCode.LEGAL_HOLD),
        ({"suspended": True}, Act.USE, 1, RefusalCode.SUSPENDED),
        ({"out_of_force": "The agreement has ended."}, Act.USE, 1, RefusalCode.NOT_IN_FORCE),
        ({"remaining": 3}, Act.USE, 4, RefusalCode.NOTHING_LEFT),
        ({"held": 8}, Act.USE, 3, RefusalCode.HELD),
        ({"held": 8}, Act.MOVE_SITE, 3, RefusalCode.HELD),
        ({"in_transit": 8}, Act.USE, 3, RefusalCode.IN_TRANSIT),
        ({"in_transit": 8}, Act.MOVE_SITE, 3, RefusalCode.IN_TRANSIT),
        ({"quality_held": 8}, Act.SCRAP, 3, RefusalCode.QUALITY_HOLD),
        ({"minimum_to_keep": 8}, Act.INSTALL, 3, RefusalCode.BELOW_MINIMUM),
        ({"minimum_to_keep": 8}, Act.RESELL, 3, RefusalCode.BELOW_MINIMUM),
        ({"minimum_to_keep": 8, "held": 1}, Act.USE, 2, RefusalCode.BELOW_MINIMUM),
    ],
)
def test_holders_acts_that_are_refused(change: dict[str, Any], act: Act, quantity: int, code: RefusalCode) -> None:
    answer = evaluate_holder_act(terms(), facts(**change), act, quantity, NOW)
    assert isinstance(answer, Refused)
    assert answer.code is code


def test_units_on_quality_hold_may_be_moved() -> None:
    assert isinstance(evaluate_holder_act(terms(), facts(quality_held=10), Act.MOVE_SITE, 10, NOW), Free)


def test_an_act_on_no_unit_is_bad_input() -> None:
    with pytest.raises(DomainError) as caught:
        evaluate_holder_act(terms(), facts(), Act.USE, 0, NOW)
    assert caught.value.code == "act.quantity"
    with pytest.raises(DomainError):
        loss_outcome(terms(), facts(), 11)


def test_notice_clears_once_and_lapses() -> None:
    t, f = terms(use_free_above_minimum=False), facts()
    asked = evaluate_holder_act(t, f, Act.USE, 1, NOW)
    assert isinstance(asked, AfterNotice)
    assert asked.clear_from is not None
    assert asked.clear_until is not None
    assert evaluate_holder_act(t, f, Act.USE, 1, NOW, noticed_at=NOW) == asked
    instant = timedelta(microseconds=1)
    for moment, cleared in (
        (asked.clear_from - instant, False),
        (asked.clear_from, True),
        (asked.clear_until - instant, True),
        (asked.clear_until, False),
    ):
        answer = evaluate_holder_act(t, f, Act.USE, 1, moment, noticed_at=NOW)
        assert isinstance(answer, Free) is cleared
    assert "may be used up in production" in asked.words


def test_a_draw_is_decided_by_its_deadline() -> None:
    t = terms("standard-access")
    assert isinstance(t, AccessBackV1)
    f = facts(list_price=usd("900"))
    due = draw_outcome(t, f, NOW, NOW).replace_by
    assert draw_outcome(t, f, NOW, due).state is DrawState.PURCHASED
    assert draw_outcome(t, f, NOW, due).payable == usd("900.00")
    assert draw_outcome(t, f, NOW, due, replaced_at=due).state is DrawState.PURCHASED
    assert draw_outcome(t, f, NOW, due, replaced_at=NOW).state is DrawState.REPLACED
