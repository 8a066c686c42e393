"""What others have been promised of the units that may be sold on: requests that go first, and notices that run or are cleared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from marketplace.agreements import phrases
from marketplace.agreements.facts import Facts
from marketplace.agreements.notice import Notice, Standing
from marketplace.agreements.outcomes import Act
from marketplace.agreements.reach import declining_day, still_about, usable
from marketplace.agreements.terms import Terms


class Claim(NamedTuple):
    """A request to sell units on that goes first: its number, units, how many of the minimum to keep go with them, and where
    it stands in words."""

    reference: str
    quantity: int
    passed_on: int
    words: str


class Left(NamedTuple):
    """Of ``there`` units that may be sold on ``left`` are promised to nobody; ``words`` name what goes first."""

    there: int
    left: int
    words: str


def left_to_sell(
    clauses: Sequence[Terms],
    facts: Facts,
    claims: Sequence[Claim],
    notices: Sequence[Notice],
    quantity: int,
    now: datetime,
) -> Left:
    """How many units may still be sold on beside what goes first. ``facts``: with the minimum to keep that these units
    leave; ``quantity``: as many as are asked for, which may be those that a notice of sale names."""
    keep = max((facts.minimum_to_keep or 0) - sum(c.passed_on for c in claims), 0)
    facts = replace(facts, minimum_to_keep=keep)
    there = min(usable(terms, facts, declining_day(terms, facts, now)) for terms in clauses)
    named = [
        n for n in still_about(clauses, facts, notices, now) if n.standing(now) in (Standing.RUNNING, Standing.CLEARED)
    ]
    offered = sum(n.left for n in named if n.act is Act.RESELL)
    others = sum(n.left for n in named if n.act is not Act.RESELL)
    asked = sum(c.quantity for c in claims)
    # What is sold under a notice of sale is what that notice names: it is not counted twice.
    beyond = max(offered - asked - quantity, 0)
    parts = [f"{c.reference} ({phrases.count(c.quantity, 'unit')}, {c.words})" for c in claims]
    if others + beyond:
        parts.append(f"notices of {phrases.count(others + beyond, 'unit')}")
    return Left(there, max(there - asked - others - beyond, 0), " and ".join(parts))
