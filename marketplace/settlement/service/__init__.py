"""The verbs of settlement: owe, credit, pay, set off, dispute."""

from __future__ import annotations

from marketplace.settlement.service.disputing import (
    agree,
    dispute_line,
    dispute_units,
    end_units,
    propose,
    say,
    withdraw,
)
from marketplace.settlement.service.importing import import_payments, preview
from marketplace.settlement.service.missing import owe_for_missing
from marketplace.settlement.service.objecting import dispute_condition
from marketplace.settlement.service.owing import credit, give_credit, owe
from marketplace.settlement.service.paying import allocate, confirm, mark, record, reverse
from marketplace.settlement.service.premiums import owe_premiums
from marketplace.settlement.service.sales import Sold, credit_put_back, owe_sales, owe_taken_out
from marketplace.settlement.service.setting_off import set_off
from marketplace.settlement.service.storage import owe_storage

__all__ = [
    "Sold",
    "agree",
    "allocate",
    "confirm",
    "credit",
    "credit_put_back",
    "dispute_condition",
    "dispute_line",
    "dispute_units",
    "end_units",
    "give_credit",
    "import_payments",
    "mark",
    "owe",
    "owe_for_missing",
    "owe_premiums",
    "owe_sales",
    "owe_storage",
    "owe_taken_out",
    "preview",
    "propose",
    "record",
    "reverse",
    "say",
    "set_off",
    "withdraw",
]
