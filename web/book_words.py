"""Books and law as pages say them: names, tones and icons for what the core knows by code."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from marketplace.agreements.books import CLASS_WORDS, Books
from marketplace.agreements.classification import INDICATIVE, Kind
from marketplace.agreements.law import Action, Finding

MOST_TRACED: Final = 50
"""Lines whose tests a page shows; all of them come over the API and, of an agreement, in its file."""
KINDS: Final = {
    Kind.SALE: ("Plain sale", "good", "circle-check"),
    Kind.SALE_WITH_RETURN: ("Sale with a right of return", "info", "arrow-back-up"),
    Kind.LEASE: ("Lease", "warn", "clock"),
    Kind.FINANCING: ("Financing", "warn", "coin"),
    Kind.CONSIGNMENT: ("Consignment", "neutral", "package"),
    Kind.JUDGEMENT: ("Needs an auditor's judgement", "warn", "scale"),
}
"""What a kind is called, with a badge's tone and icon."""
ACTIONS: Final = {
    Action.BLOCK: ("Not allowed", "bad", "alert-octagon"),
    Action.USE_OTHER_RIGHT: ("Use another right", "warn", "scale"),
    Action.SPLIT_INTO_RENEWALS: ("Split into renewals", "warn", "calendar"),
    Action.WARN: ("Know before you go on", "warn", "alert-triangle"),
    Action.OK: ("In order", "info", "info-circle"),
}
MAYBE: Final = ("Not allowed for some", "warn", "alert-triangle")
CSV_HEADER: Final = (
    "Agreement", "Part", "Units signed", "Of those not accepted", "Class of units", "Price per unit", "Currency", "Kind", "Discount rate (basis points)",
    "Kept at", "Test", "Reference", "Question", "Answer", "Notice",
)  # fmt: skip


def law_badge(finding: Finding) -> tuple[str, str, str]:
    """Label, tone and icon of a finding."""
    return MAYBE if finding.action is Action.BLOCK and not finding.certain else ACTIONS[finding.action]


def figure(text: str) -> str:
    """An amount of a trace as people read it: to the cent, unless that would hide what small parts cost."""
    amount = Decimal(text)
    return f"{amount:,.4f}" if 0 < abs(amount) < 1 else f"{amount:,.2f}"


def shown(books: Books | None, law: Sequence[Finding]) -> dict[str, Any]:
    """What the templates of ``ui/books.html`` need. ``books``: None where the terms do not fit yet."""
    return {
        "books": books,
        "law": law,
        "law_badge": law_badge,
        "kinds": KINDS,
        "class_words": CLASS_WORDS,
        "figure": figure,
        "indicative": INDICATIVE,
        "most_traced": MOST_TRACED,
    }
