"""The terms of each clause version: which types there are, and how they are read and written.

One frozen type per clause version. Its JSON schema is the clause's ``terms.schema.json`` and every field is a blank in
its ``clause.md``. Rates are basis points (100 = 1 %), durations carry their unit in the name, quantities are whole
units, and money is in the currency of the sale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from marketplace.agreements import phrases
from marketplace.agreements.price_kinds import PRICE_KINDS
from marketplace.agreements.terms_v1 import (
    MAX_UNITS,
    MAX_WINDOW_MONTHS,
    AccessBackV1,
    AppliesTo,
    BuyBackV1,
    CommonTerms,
    NoResponse,
    Party,
    Resale,
    Urgency,
    UseClass,
)
from marketplace.agreements.terms_v2 import AccessBackV2, BuyBackV2, FirstRefusalV1, TermsV2, TitleKeptV1
from marketplace.kit.errors import DomainError, FieldError, invalid, invalid_fields

__all__ = [
    "MAX_UNITS", "MAX_WINDOW_MONTHS", "TERMS_TYPES", "AccessBackV1", "AccessBackV2", "AppliesTo", "BuyBackV1",
    "BuyBackV2", "ClauseName", "CommonTerms", "FirstRefusalV1", "NoResponse", "Party", "Resale", "Terms", "TermsV2",
    "TitleKeptV1", "Urgency", "UseClass", "dump_terms", "not_right", "parse_terms", "terms_schema",
]  # fmt: skip

ClauseName = Literal["buy-back", "access-back", "first-refusal", "title-kept"]
"""The clauses of the library, released or not: what lists can be filtered by."""

Terms: TypeAlias = BuyBackV1 | AccessBackV1 | BuyBackV2 | AccessBackV2 | FirstRefusalV1 | TitleKeptV1

TERMS_TYPES: Mapping[tuple[str, int], type[Terms]] = {
    ("buy-back", 1): BuyBackV1,
    ("access-back", 1): AccessBackV1,
    ("buy-back", 2): BuyBackV2,
    ("access-back", 2): AccessBackV2,
    ("first-refusal", 1): FirstRefusalV1,
    ("title-kept", 1): TitleKeptV1,
}
"""Every clause version the program can evaluate."""


def parse_terms(clause: str, version: int, raw: Mapping[str, Any]) -> Terms:
    """The typed terms of one clause version from JSON values or form texts.

    An empty text counts as not filled in. Raises ``terms.invalid`` naming every field that is wrong, or
    ``terms.unknown_clause``.
    """
    kind = TERMS_TYPES.get((clause, version))
    if kind is None:
        known = ", ".join(f"{name}/v{number}" for name, number in TERMS_TYPES)
        raise invalid(
            "terms.unknown_clause", f"There is no clause {clause}/v{version}. Known: {known}.", field="clause"
        )
    filled = {name: value for name, value in raw.items() if value != ""}
    filled.setdefault("clause", clause)
    filled.setdefault("version", version)
    try:
        return kind.model_validate(filled)
    except ValidationError as error:
        fields = [found for detail in error.errors() for found in _in_words(detail, f"{clause}/v{version}")]
        raise not_right(fields) from None


def not_right(fields: Sequence[FieldError]) -> DomainError:
    """``terms.invalid``, naming every term that is wrong."""
    count = "One term is" if len(fields) == 1 else f"{len(fields)} terms are"
    message = f"{count} not right: " + " ".join(f"{f.field}: {f.message}" for f in fields)
    return invalid_fields("terms.invalid", message, tuple(fields))


def dump_terms(terms: Terms) -> dict[str, Any]:
    """The terms in JSON types; ``parse_terms`` of it gives equal terms."""
    return terms.model_dump(mode="json")


def terms_schema(clause: str, version: int) -> dict[str, Any]:
    """The JSON schema of a clause version's terms: what ``terms.schema.json`` must say."""
    return TERMS_TYPES[clause, version].model_json_schema()


_KINDS = {("price", kind) for kind in PRICE_KINDS} | {("use_allowance", "units"), ("use_allowance", "share_of_sold")}


def _in_words(detail: ErrorDetails, clause: str) -> list[FieldError]:
    # The discriminator shows up as a step in the path ("price.fixed.amount"); people know "price.amount".
    path = ".".join(
        str(step) for index, step in enumerate(detail["loc"]) if not (index == 1 and (detail["loc"][0], step) in _KINDS)
    )
    context = detail.get("ctx", {})
    if detail["type"] == "contradictions":
        prefix = f"{path}." if path else ""
        return [FieldError(prefix + field, code, words) for field, code, words in context["items"]]
    words = {
        "missing": "This term is missing.",
        "extra_forbidden": f"{clause} has no such term.",
        "greater_than_equal": f"Must be at least {context.get('ge')}.",
        "greater_than": f"Must be more than {context.get('gt')}.",
        "less_than_equal": f"Must be at most {context.get('le')}.",
        "int_type": "Must be a whole number.",
        "int_parsing": "Must be a whole number.",
        "decimal_text": 'Write the amount as text, such as "12.50".',
        "decimal_parsing": "Must be an amount such as 12.50.",
        "decimal_type": "Must be an amount such as 12.50.",
        "bool_parsing": "Must be true or false.",
        "bool_type": "Must be true or false.",
        "enum": f"Must be one of {context.get('expected')}.",
        "literal_error": f"Must be {context.get('expected')}.",
        "union_tag_invalid": f"Must be one of {context.get('expected_tags')}.",
        "union_tag_not_found": _which_kind(path, clause),
        "string_too_short": "Must not be empty.",
        "string_too_long": f"At most {context.get('max_length')} characters.",
        "string_type": "Write it as text.",
        "string_pattern_mismatch": _EXPECTED.get(path, "Does not have the form that it needs."),
        "too_short": f"Needs at least {context.get('min_length')} points.",
        "too_long": f"At most {context.get('max_length')} points.",
    }.get(detail["type"], detail["msg"].rstrip(".") + ".")
    return [FieldError(path, f"terms.{detail['type']}", words)]


_EXPECTED = {
    "holiday_calendar": "Must be a country such as US, or a part of it such as US-TX.",
    "price.base_period": "Must be a month such as 2026-11.",
}


def _which_kind(path: str, clause: str) -> str:
    if path == "use_allowance":
        return "Say which kind of allowance it is: units or share_of_sold."
    known = PRICE_KINDS[:3] if clause == "buy-back/v1" else PRICE_KINDS
    return f"Say which kind of price it is: {phrases.listed(known, 'or')}."
