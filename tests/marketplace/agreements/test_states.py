"""The state tables: complete, reachable, and strict."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from marketplace.agreements.states import (
    AGREEMENT_TRANSITIONS,
    CALL_TRANSITIONS,
    CALL_WORDS,
    PAGE_STATE,
    AgreementState,
    CallState,
    PageState,
    move_agreement,
    move_call,
)
from marketplace.kit.errors import DomainError


def reached(table: Mapping[Any, frozenset[Any]], start: Any) -> set[Any]:
    found, todo = {start}, [start]
    while todo:
        for state in table[todo.pop()] - found:
            found.add(state)
            todo.append(state)
    return found


def test_the_tables_name_every_state_and_every_state_can_be_reached() -> None:
    assert set(AGREEMENT_TRANSITIONS) == reached(AGREEMENT_TRANSITIONS, AgreementState.DRAFT) == set(AgreementState)
    assert set(CALL_TRANSITIONS) == reached(CALL_TRANSITIONS, CallState.REQUESTED) == set(CallState)
    assert set(PAGE_STATE) == set(CallState)
    assert set(PAGE_STATE.values()) == set(PageState)


def test_every_life_can_end() -> None:
    for table in (AGREEMENT_TRANSITIONS, CALL_TRANSITIONS):
        ends = {state for state, targets in table.items() if not targets}
        for state in table:
            assert reached(table, state) & ends


def test_the_usual_life_of_a_call() -> None:
    agreed = "requested allocated noticed acknowledged accepted picked shipped"
    paid = "received inspected graded priced settled closed"
    states = [CallState(word) for word in f"{agreed} {paid}".split()]
    for current, target in pairwise(states):
        assert move_call(current, target) is target


def test_the_usual_life_of_an_agreement() -> None:
    life = "draft classified offered signed active suspended active renewed expiring run_off closed"
    states = [AgreementState(word) for word in life.split()]
    for current, target in pairwise(states):
        assert move_agreement(current, target) is target


@pytest.mark.parametrize(
    ("current", "target"),
    [
        (CallState.REFUSED, CallState.ACCEPTED),
        (CallState.SHIPPED, CallState.CANCELLED),
        (CallState.ACCEPTED, CallState.ACCEPTED),
        (CallState.NOTICED, CallState.SHIPPED),
        (CallState.CLOSED, CallState.DISPUTED),
    ],
)
def test_what_cannot_happen_to_a_call(current: CallState, target: CallState) -> None:
    with pytest.raises(DomainError) as caught:
        move_call(current, target)
    assert caught.value.code == "call.state"
    assert caught.value.message.startswith(f"This order is {CALL_WORDS[current]}; it cannot be ")


def test_the_refusal_says_what_is_possible() -> None:
    with pytest.raises(DomainError) as caught:
        move_agreement(AgreementState.SUSPENDED, AgreementState.RENEWED)
    assert caught.value.message == (
        "This agreement is suspended; it cannot be renewed now. It can be put in force or ended by both sides."
    )
    with pytest.raises(DomainError, match=r"closed; it cannot be put in force now.$"):
        move_agreement(AgreementState.CLOSED, AgreementState.ACTIVE)
