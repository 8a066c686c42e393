"""Which movement may do what: tables, not scattered ifs.

A kind says whether quantity comes from a position, goes to one, and which of the position's columns it may
change. What left the positions is in a sink (used up, installed, scrapped, lost) and comes back only by the
kind that the table names.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, get_args


class Kind(StrEnum):
    """What a movement does."""

    REGISTER = "register"
    SPLIT = "split"
    MOVE = "move"
    SHIP = "ship"
    RECEIVE = "receive"
    TITLE = "title"
    HOLD = "hold"
    POST = "post"
    VOID = "void"
    EXPIRE = "expire"
    USE_UP = "use_up"
    INSTALL = "install"
    REMOVE = "remove"
    REPAIR = "repair"
    REGRADE = "regrade"
    SCRAP = "scrap"
    LOSE = "lose"
    FIND = "find"
    COUNT_ADJUST = "count_adjust"
    REPOINT = "repoint"
    CORRECT = "correct"
    FREEZE = "freeze"
    LIFT = "lift"


@dataclass(frozen=True, slots=True)
class Rule:
    """``leaves`` / ``arrives``: quantity comes from / goes to a position. ``changes``: columns it may change."""

    leaves: bool
    arrives: bool
    changes: frozenset[str] = frozenset()
    while_frozen: bool = False
    in_transit: bool = False


def _changes(*names: str) -> frozenset[str]:
    return frozenset(names)


RULES: dict[Kind, Rule] = {
    Kind.REGISTER: Rule(leaves=False, arrives=True),
    Kind.SPLIT: Rule(leaves=True, arrives=False, while_frozen=False, in_transit=True),
    Kind.MOVE: Rule(leaves=True, arrives=True, changes=_changes("site"), while_frozen=True),
    Kind.SHIP: Rule(leaves=True, arrives=True, changes=_changes("site")),
    Kind.RECEIVE: Rule(
        leaves=True, arrives=True, changes=_changes("site", "holder"), while_frozen=True, in_transit=True
    ),
    # A quality hold is about the thing: it stops use and shipping, not who owns it or has a right in it.
    Kind.TITLE: Rule(leaves=True, arrives=True, changes=_changes("owner"), while_frozen=True, in_transit=True),
    Kind.REPOINT: Rule(
        leaves=True, arrives=True, changes=_changes("agreement", "beneficiary"), while_frozen=True, in_transit=True
    ),
    Kind.USE_UP: Rule(leaves=True, arrives=False),
    Kind.INSTALL: Rule(leaves=True, arrives=False),
    # A unit that is recalled comes out of the machine: it is on hold where it then lies.
    Kind.REMOVE: Rule(leaves=False, arrives=True, while_frozen=True),
    Kind.REPAIR: Rule(leaves=True, arrives=True, changes=_changes("condition")),
    Kind.REGRADE: Rule(leaves=True, arrives=True, changes=_changes("condition"), while_frozen=True),
    Kind.SCRAP: Rule(leaves=True, arrives=False, in_transit=True),
    Kind.LOSE: Rule(leaves=True, arrives=False, while_frozen=True, in_transit=True),
    Kind.FIND: Rule(leaves=False, arrives=True, while_frozen=True),
    # A count finds fewer (leaves) or more (arrives) than the ledger says.
    Kind.COUNT_ADJUST: Rule(leaves=True, arrives=True, while_frozen=True),
    Kind.CORRECT: Rule(leaves=True, arrives=True, while_frozen=True, in_transit=True),
    Kind.HOLD: Rule(leaves=True, arrives=False),
    Kind.VOID: Rule(leaves=True, arrives=False, while_frozen=True, in_transit=True),
    Kind.EXPIRE: Rule(leaves=True, arrives=False, while_frozen=True, in_transit=True),
    Kind.FREEZE: Rule(leaves=True, arrives=False, while_frozen=True, in_transit=True),
    Kind.LIFT: Rule(leaves=True, arrives=False, while_frozen=True, in_transit=True),
}

# Rows that reserve, free or freeze; they move nothing.
STANDING = frozenset({Kind.HOLD, Kind.VOID, Kind.EXPIRE, Kind.FREEZE, Kind.LIFT})

# What answers a reservation, and what posting one may do: anything that takes units from where they are reserved.
RESOLVING = frozenset({Kind.POST, Kind.VOID, Kind.EXPIRE})
POSTABLE = frozenset(k for k, r in RULES.items() if r.leaves) - STANDING - {Kind.CORRECT, Kind.COUNT_ADJUST}

# From an encumbered position these need a permit. Must equal the CHECK on the table (a test compares).
PERMITTED = frozenset({Kind.RECEIVE, Kind.TITLE, Kind.USE_UP, Kind.INSTALL, Kind.SCRAP, Kind.REPOINT})

# Where quantity goes that leaves every position, and the kind that brings it back.
SINKS: dict[Kind, Kind | None] = {
    Kind.USE_UP: None,
    Kind.SCRAP: None,
    Kind.INSTALL: Kind.REMOVE,
    Kind.LOSE: Kind.FIND,
}
RETURNS: dict[Kind, Kind] = {back: sink for sink, back in SINKS.items() if back}

Condition = Literal["new", "new_old_stock", "remanufactured", "used_tested", "used", "core"]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)
CONDITION_WORDS = {
    "new": "New",
    "new_old_stock": "New old stock",
    "remanufactured": "Remanufactured",
    "used_tested": "Used and tested",
    "used": "Used",
    "core": "Core",
}
