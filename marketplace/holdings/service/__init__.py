"""The verbs of holdings: move, use, install, scrap, count; quality holds; correcting stock transactions."""

from marketplace.holdings.service.acts import (
    AtSite,
    Done,
    ExactLine,
    Left,
    Taken,
    Target,
    install,
    move,
    scrap,
    use_up,
)
from marketplace.holdings.service.counting import Counted, count, withdraw_pending_count
from marketplace.holdings.service.missing import WhatBecame, conclude_shortage, say_what_became
from marketplace.holdings.service.quality import Frozen, Selection, freeze, lift
from marketplace.holdings.service.undoing import correct

__all__ = [
    "AtSite",
    "Counted",
    "Done",
    "ExactLine",
    "Frozen",
    "Left",
    "Selection",
    "Taken",
    "Target",
    "WhatBecame",
    "conclude_shortage",
    "correct",
    "count",
    "freeze",
    "install",
    "lift",
    "move",
    "say_what_became",
    "scrap",
    "use_up",
    "withdraw_pending_count",
]
