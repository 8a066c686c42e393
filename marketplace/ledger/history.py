"""What a lot went through, as decisions about its past need it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

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


def returnable(past: PastMovement) -> Iterable[tuple[Kind, int]]:
    """The change a movement makes in a sink that units may come back from, as (sink, signed quantity)."""
    effect = past.purpose or past.kind
    if SINKS.get(effect) is not None:
        yield effect, past.quantity
    elif effect in RETURNS:
        yield RETURNS[effect], -past.quantity


def check_past(lot: LotState, written: Collection[int]) -> None:
    """A late report must not take units out of a place before they had come there. ``written``: the numbers of the movements
    that this command adds.

    What was corrected happened never, and its correction is dated like it: neither is looked at, or nothing could be reported
    late in place of what was wrong. Whoever holds units that it bought reads the history of its own places in full, and of
    others' places only what touched its own: of a place that units left for it, without how they had come there. So each place
    begins with as many as what was on record before needs. That is none where the history is complete, and nothing that is
    written here takes units from another place."""
    if lot.history is None:
        raise AssertionError("a late report needs the lot's history")
    before: dict[int | Kind, int] = {}
    opening: dict[int | Kind, int] = {}
    for past in _standing(m for m in lot.history if m.seq not in written):
        for place, change in _changes(past):
            before[place] = before.get(place, 0) + change
            opening[place] = max(opening.get(place, 0), -before[place])
    balances = dict(opening)
    in_order = _standing(lot.history)
    for number, past in enumerate(in_order):
        for place, change in _changes(past):
            there = balances.get(place, 0)
            balances[place] = there + change
            if balances[place] < 0:
                came = (m for m in in_order[number + 1 :] if any(p == place and n > 0 for p, n in _changes(m)))
                raise conflict(
                    "ledger.late_conflict", _contradiction(past, there, next(came, None)), lot_id=str(lot.lot_id)
                )


def _standing(history: Iterable[PastMovement]) -> list[PastMovement]:
    """What was neither corrected nor is a correction, in the order in which it happened."""
    known = list(history)
    wrong = {m.corrects for m in known if m.corrects is not None}
    return sorted((m for m in known if m.corrects is None and m.seq not in wrong), key=lambda m: (m.occurred_at, m.seq))


def _changes(past: PastMovement) -> list[tuple[int | Kind, int]]:
    return [*deltas(past), *returnable(past)]


def _contradiction(past: PastMovement, there: int, came: PastMovement | None) -> str:
    words = (
        f"Reported late, this contradicts what is on record: on {past.occurred_at:%Y-%m-%d %H:%M} UTC {past.quantity:,} would "
        f"have left a place where {there:,} of these units stood."
    )
    if came is None:
        return words + " Correct the later transaction and report both again."
    return (
        f"{words} More came there on {came.occurred_at:%Y-%m-%d %H:%M} UTC, by receipt, a move, or a change of their agreement: "
        "give a later moment and say in the note when it was, or correct that transaction and report both again."
    )
