"""Objecting to the condition that units were found in: who may, and to what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from marketplace.kit.clock import end_of_day
from marketplace.kit.money import Money
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.parties.actor import Actor
from marketplace.settlement.disputes import better, fetched
from marketplace.settlement.queries import DisputeRow, SettlementRow
from marketplace.sourcing.queries import CallRow
from marketplace.sourcing.service import fetches_of


@dataclass(frozen=True, slots=True)
class Objection:
    """A line that its payee can object to: of so many units, in favour of these conditions (each with what it fetches)."""

    line: SettlementRow
    units: int
    conditions: Sequence[tuple[str, str]]

    @property
    def found(self) -> str:
        """In which condition the units were found, in words."""
        return CONDITION_WORDS[self.line.condition or ""].lower()


def objection(
    actor: Actor, call: CallRow, line: SettlementRow, disputes: Sequence[DisputeRow], now: datetime
) -> Objection | None:
    """What the actor may object to about a line of this order, given the disputes about the line; None: nothing."""
    kept = fetches_of(call)
    if kept is None or line.condition is None or actor.company_id != line.payee_id or not actor.may("settlement.mark"):
        return None
    if now >= end_of_day(line.due_on, call.zone):
        return None
    about = [d for d in disputes if d.line_id == line.id]
    agreed = sum(d.quantity or 0 for d in about if d.subject == "condition" and d.status == "agreed")
    conditions = _conditions(kept, line)
    there = line.quantity or 0
    if not conditions or agreed >= there or any(d.status == "open" for d in about):
        return None
    return Objection(line, there - agreed, conditions)


def proposable(row: DisputeRow) -> Sequence[tuple[str, str]]:
    """The conditions that can be proposed in a dispute about one, with how much more is owed then."""
    if row.fetches is None or row.found is None or row.quantity is None:
        return ()
    more = {c: Money(m, row.currency) * row.quantity for c, m in better(fetched(row.fetches), row.found).items()}
    named = [
        (c, f"{CONDITION_WORDS[c]}: {m.rounded()} more") for c, m in more.items() if m.rounded().amount <= row.amount
    ]
    return [*named, (row.found, f"{CONDITION_WORDS[row.found]}, as found: nothing more")]


def _conditions(kept: Mapping[str, object], line: SettlementRow) -> Sequence[tuple[str, str]]:
    fetches = fetched(kept)
    return [
        (c, f"{CONDITION_WORDS[c]}: {Money(fetches[c].each, line.currency)} a unit, {Money(more, line.currency)} more")
        for c, more in better(fetches, line.condition or "").items()
    ]
