"""What a saved search may say. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Literal
from uuid import UUID

from marketplace.agreements.prose import NAMES as CLAUSE_NAMES
from marketplace.kit.errors import invalid
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.parts.numbers import parse_list
from marketplace.sourcing.facets import REASON_WORDS, UNNAMED, Filters

Kind = Literal["units", "offers"]
MOST_SAVED = 100
"""Searches of one person (also a constraint of the table)."""
LONGEST_NAME = 80
LONGEST_VALUE = 1_000
OFFER_FILTERS = (
    "class", "condition", "clause", "use", "seller", "maker", "country", "max_price", "min_quantity", "within", "offered", "sort",
)  # fmt: skip
"""What offers are filtered and sorted by."""
MOST_DAYS = 3_650
_VALUES: Mapping[str, Collection[str]] = {
    "source": ("own", "partners"), "callable": ("now", "not"), "reason": REASON_WORDS, "condition": CONDITION_WORDS, "clause": CLAUSE_NAMES,
}  # fmt: skip
FILTERS: Mapping[str, tuple[str, ...]] = {"units": tuple(f.name for f in fields(Filters)), "offers": OFFER_FILTERS}


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: numbers as people write them, filters by name, and of units how urgently and where to."""

    kind: Kind
    numbers: str
    filters: Mapping[str, str]
    urgency: str | None = None
    site_id: UUID | None = None


def checked_name(name: str) -> str:
    """The name without surrounding space. Raises ``search.name``."""
    plain = " ".join(name.split())
    if not 0 < len(plain) <= LONGEST_NAME:
        words = f"Shorten the name to {LONGEST_NAME} characters." if plain else "Give the search a name."
        raise invalid("search.name", words, field="name")
    return plain


def _sensible(filters: Mapping[str, str]) -> None:
    for name, value in filters.items():
        known = _VALUES.get(name)
        if known is not None and value not in known:
            words = f"'{value[:40]}' is not a value of the filter '{name}'. Use one of: {', '.join(known)}."
        elif name == "within_days" and not (value.isascii() and value.isdecimal() and int(value) <= MOST_DAYS):
            words = f"'{value[:40]}' is not a number of days. Write 0 to {MOST_DAYS:,}."
        elif name == "holder" and value != UNNAMED and not _is_id(value):
            words = f"'{value[:40]}' is no company's id. Write one, or '{UNNAMED}' for places whose holder is not named yet."
        else:
            continue
        raise invalid("filter.unknown", words, field=f"filters.{name}")


def _is_id(value: str) -> bool:
    try:
        UUID(value)
    except ValueError:
        return False
    return True


def checked(search: Search) -> Search:
    """The search as it is kept. Raises ``search.filter``, ``search.empty``, and what ``parse_list`` raises."""
    known = FILTERS[search.kind]
    for name, value in search.filters.items():
        if name not in known or len(value) > LONGEST_VALUE:
            raise invalid(
                "search.filter", f"'{name[:40]}' is no filter of such a search, or its value is too long. Use: {', '.join(known)}.",
                field="filters",
            )  # fmt: skip
    if search.kind == "units":
        _sensible(search.filters)
    asked = parse_list(search.numbers, field="numbers")
    if not asked and (search.kind == "units" or not search.filters):
        raise invalid("search.empty", "Name what to look for: at least one part number.", field="numbers")
    if search.kind == "offers":
        return Search("offers", search.numbers.strip(), search.filters)
    return Search("units", search.numbers.strip(), search.filters, search.urgency or "urgent", search.site_id)
