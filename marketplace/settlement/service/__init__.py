"""The verbs of settlement: owe, credit, pay, set off."""

from __future__ import annotations

from marketplace.settlement.service.importing import import_payments, preview
from marketplace.settlement.service.owing import credit, give_credit, owe
from marketplace.settlement.service.paying import allocate, confirm, mark, record, reverse
from marketplace.settlement.service.setting_off import set_off

__all__ = [
    "allocate",
    "confirm",
    "credit",
    "give_credit",
    "import_payments",
    "mark",
    "owe",
    "preview",
    "record",
    "reverse",
    "set_off",
]
