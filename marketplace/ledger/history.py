"""What a lot went through, as decisions about its past need it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from marketplace.kit.errors import conflict
from marketplace.ledger.entries import (
    LotState,
    Movement,
    PastMovement,
)
from marketplace.ledger.kinds import (
    RETURNS,
    SINKS,
    STANDING,
    Kind,
)


def past_of(movement: Movement) -> PastMovement:
    """What later decisions need to know of a movement."""
    return PastMovement(
        movement.seq, movement.kind, movement.purpose, movement.quantity, movement.from_position,
        movement.to_position, movement.occurred_at, movement.corrects, resolves=movement.resolves,
    )  # fmt: skip


def deltas(past: PastMovement) -> Iterable[tuple[int, int]]:
    """The changes in quantity a movement makes, as (position, signed quantity)."""
    if past.kind in STANDING:
        return
    if past.from_position is not None:
        yield past.from_position, -past.quantity
    if past.to_position is not None:
        yield past.to_position, past.quantity


def gone_to(lot: LotState, sink: Kind, back: Kind) -> int:
    """How many of a lot are in a sink that they may come back from."""
    if lot.history is None:
        raise AssertionError("what went to a sink is known from the lot's history")
    out = 0
    for past in lot.history:
        if not past.corrected and past.kind is not Kind.CORRECT:
            effect = past.purpose or past.kind
            out += past.quantity if effect is sink else -past.quantity if effect is back else 0
    return out


def returnable(past: PastMovement, by_seq: Mapping[int, PastMovement]) -> Iterable[tuple[Kind, int]]:
    """The change a movement makes in a sink that units may come back from, as (sink, signed quantity)."""
    sign = 1
    if past.kind is Kind.CORRECT and past.corrects is not None:
        sign, past = -1, by_seq[past.corrects]
    effect = past.purpose or past.kind
    if SINKS.get(effect) is not None:
        yield effect, sign * past.quantity
    elif effect in RETURNS:
        yield RETURNS[effect], -sign * past.quantity


def check_past(lot: LotState) -> None:
    """A late report must not take units out of a place before they had come there."""
    if lot.history is None:
        raise AssertionError("a late report needs the lot's history")
    balances: dict[int | Kind, int] = {}
    by_seq = {m.seq: m for m in lot.history}
    for past in sorted(lot.history, key=lambda m: (m.occurred_at, m.seq)):
        changes: list[tuple[int | Kind, int]] = [*deltas(past), *returnable(past, by_seq)]
        for place, change in changes:
            balances[place] = balances.get(place, 0) + change
            if balances[place] < 0:
                raise conflict(
                    "ledger.late_conflict",
                    f"Reported late, this contradicts what is on record: on {past.occurred_at:%Y-%m-%d} there would "
                    "have been fewer than none. Correct the later transaction and report both again.",
                    lot_id=str(lot.lot_id),
                )
