"""What is needed, where it could come from, and the rules of a plan. Pure.

Money is in whole minor units of the plan's one currency; whoever makes a ``Source`` has converted it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

HANDLING_MINOR = 500
LATENESS_MINOR_PER_DAY: Mapping[str, int] = {"machine_down": 500_000, "urgent": 50_000, "stock_order": 1_000}
URGENCY_ORDER = ("machine_down", "urgent", "stock_order")
STAND_IN_MINOR = 2_000
"""A stand-in is taken only where it saves more than this; the part asked for comes first."""
_DAY_SECONDS = 86_400

First = Literal["own", "pool"]
Ties = Literal["spread", "concentrate"]


@dataclass(frozen=True, slots=True)
class Need:
    """So many of a part (``parts``: it or what may stand in, best first) by a time, this urgently.

    ``complete_only``: all of it or nothing. Needs of one ``kit`` are met all of them and whole, or none.
    """

    key: str
    parts: tuple[UUID, ...]
    quantity: int
    needed_by: datetime
    urgency: str
    complete_only: bool = False
    kit: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Units at one place for one need: capacity, cost parts in minor units, and when they arrive.

    ``group``/``group_cap``: sources that share a right. ``scarcity``: what taking one of the last units costs.
    ``least``/``multiple``: what size one order has to have (all of ``group_cap`` always is one). ``held_by`` tells holders
    apart, whose ``holder`` may be told only roughly. ``deed``: the agreement that they are under, which lets so many more orders
    be given (``deed_orders``; None: any number).
    """

    need: str
    key: str
    part: UUID
    own: bool
    capacity: int
    group: str
    group_cap: int
    price: int
    freight: int
    arrives: datetime
    scarcity: int = 0
    holder: str = ""
    held_by: str = ""
    least: int = 1
    multiple: int = 1
    deed: str = ""
    deed_orders: int | None = None

    @property
    def who(self) -> str:
        """Whose units they are, for caps and ties."""
        return self.held_by or self.holder or self.key

    @property
    def money(self) -> int:
        """What one unit costs without lateness and scarcity: what a budget is spent on."""
        return self.price + self.freight + HANDLING_MINOR

    def takes(self, quantity: int) -> bool:
        """Whether one order may be for so many."""
        return quantity == self.group_cap or (quantity >= self.least and quantity % self.multiple == 0)


@dataclass(frozen=True, slots=True)
class Rules:
    """How a plan is made.

    ``first``: which units come first where they arrive in time, the maker's own or the pool that partners hold (own stock is
    then kept). ``ties``: equal sources are spread over holders, or taken from as few as possible. Caps are per holder, for
    this plan, and not for own stock. ``budget``: the most that it may cost, in minor units. ``without``: holders
    (``Source.who``) that are left out.
    """

    first: First = "own"
    ties: Ties = "spread"
    holder_units: int | None = None
    holder_orders: int | None = None
    holder_money: int | None = None
    budget: int | None = None
    without: frozenset[str] = frozenset()


def late_days(need: Need, source: Source) -> int:
    """How many days a unit from there comes after it is needed, begun ones counted whole."""
    return days_late(source.arrives, need.needed_by)


def days_late(arrives: datetime, needed_by: datetime) -> int:
    """How many days that is after, begun ones counted whole."""
    return 0 if arrives <= needed_by else math.ceil((arrives - needed_by).total_seconds() / _DAY_SECONDS)


def cost(need: Need, source: Source) -> int:
    """What one unit from there weighs in the plan: money, lateness, scarcity, and that it is another number."""
    found = source.money + source.scarcity
    if source.arrives > need.needed_by:
        found += late_days(need, source) * LATENESS_MINOR_PER_DAY[need.urgency]
    if source.part != need.parts[0]:
        found += (need.parts.index(source.part) if source.part in need.parts else len(need.parts)) * STAND_IN_MINOR
    return found
