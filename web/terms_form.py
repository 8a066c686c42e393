"""The terms of a clause as form fields, made from the terms' own JSON schema: bounds, units and hints are the schema's,
so a new clause version gets its editor without new code. Shares are typed in percent and kept in basis points."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from marketplace.agreements.terms import terms_schema
from marketplace.kit.errors import DomainError, FieldError
from web.forms import Fields, Value

PREFIX: Final = "t_"
"""Before every field name, so that a term may be called what it likes."""
LEFT_OUT: Final = frozenset({"clause", "version", "use_class"})
"""Chosen elsewhere on the page."""
GROUPS: Final = (
    ("The right", ("applies_to", "minimum_to_keep", "holder_reserve", "window_start_months", "window_end_months")),
    (
        "Price",
        (
            "price", "handling_bp", "price_floor_bp", "price_cap_bp", "draw_fee_bp", "replace_days",
            "purchase_percent_bp", "rounding",
        ),
    ),
    (
        "Clock",
        (
            "respond_hours_machine_down", "notice_hours_machine_down", "respond_days_urgent", "notice_days_urgent",
            "respond_days_stock", "notice_days_stock", "no_response",
        ),
    ),
    ("How much at a time", ("partial_minimum", "partial_multiple", "max_exercises")),
    (
        "Using, selling on, scrapping",
        (
            "use_free_above_minimum", "use_notice_days", "clearance_days", "report_within_days", "scrap_notice_days",
            "resale", "runs_with_the_unit",
        ),
    ),
    (
        "Delivery, payment, loss",
        ("freight_payer", "inspection_days", "payment_days", "loss_bearer", "loss_compensation_bp"),
    ),
)  # fmt: skip
REST: Final = "More"
LABELS: Final = {
    "applies_to": "Which units can be ordered back",
    "minimum_to_keep": "Minimum to keep",
    "holder_reserve": "Holder's own reserve",
    "window_start_months": "Right opens after",
    "window_end_months": "Right ends after",
    "price": "Price of a unit that comes back",
    "handling_bp": "Added for handling",
    "price_floor_bp": "Price floor",
    "price_cap_bp": "Price cap",
    "draw_fee_bp": "Fee for a draw",
    "replace_days": "Replaced within",
    "purchase_percent_bp": "Not replaced: bought at",
    "rounding": "Rounding",
    "respond_hours_machine_down": "Machine down: answer within",
    "notice_hours_machine_down": "Machine down: ship within",
    "respond_days_urgent": "Urgent: answer within",
    "notice_days_urgent": "Urgent: ship within",
    "respond_days_stock": "Stock order: answer within",
    "notice_days_stock": "Stock order: ship within",
    "no_response": "No response by the deadline means",
    "partial_minimum": "Fewest units in one order",
    "partial_multiple": "Orders in multiples of",
    "max_exercises": "Most orders",
    "use_free_above_minimum": "Use above the minimum to keep",
    "use_notice_days": "Notice before use",
    "clearance_days": "Cleared for",
    "report_within_days": "Use and moves reported within",
    "scrap_notice_days": "Offered to you before scrapping",
    "resale": "Selling on",
    "runs_with_the_unit": "When a unit is sold on",
    "freight_payer": "Freight paid by",
    "inspection_days": "Inspected within",
    "payment_days": "Paid within",
    "loss_bearer": "Loss before shipping borne by",
    "loss_compensation_bp": "Paid for a lost unit",
}
WORDS: Final = {
    "applies_to": {
        "all": "All that the holder still has",
        "free": "Units above the minimum",
        "floor": "Only the minimum",
    },
    "no_response": {"accepted": "Accepted", "refused": "Refused"},
    "rounding": {"half_up": "Half up", "half_even": "Half to even", "up": "Up"},
    "resale": {"not_allowed": "Not allowed", "consent": "With your consent"},
    "freight_payer": {"manufacturer": "Manufacturer", "holder": "Holder"},
    "loss_bearer": {"manufacturer": "Manufacturer", "holder": "Holder"},
    "use_free_above_minimum": {"true": "Without asking", "false": "After notice"},
    "runs_with_the_unit": {"true": "The right goes with it", "false": "The right ends on it"},
}
PRICE_KINDS: Final = (
    ("percent_of_sale", "A share of what the partner paid"),
    ("fixed", "A fixed amount"),
    ("schedule", "A share that changes with time"),
)
SHAPES: Final = (("step", "In steps"), ("linear", "Evenly, month by month"))
_SHARE = re.compile(r"(\d{1,4})(?:[.,](\d{1,2}))?")
_POINT = re.compile(r"\s*(\d{1,3})\s*(?:months?|mo|m)?\s*[:;,\s]\s*(\d{1,3}(?:[.,]\d{1,2})?)\s*%?\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TermField:
    """One term. ``kind``: number, share, choice, switch or price; bounds of a share are in percent."""

    name: str
    label: str
    hint: str
    kind: str
    unit: str = ""
    low: int | None = None
    high: int | None = None
    optional: bool = False
    options: tuple[tuple[str, str], ...] = ()

    @property
    def form_name(self) -> str:
        """The name of the field in the form."""
        return PREFIX + self.name


@dataclass(frozen=True, slots=True)
class TermGroup:
    """Terms that belong together."""

    title: str
    fields: tuple[TermField, ...]


@lru_cache(maxsize=64)
def groups(clause: str, version: int) -> tuple[TermGroup, ...]:
    """The fields of a clause version in groups; terms that no group names come last."""
    schema = terms_schema(clause, version)
    left = {name: spec for name, spec in schema["properties"].items() if name not in LEFT_OUT}
    made: list[TermGroup] = []
    for title, names in GROUPS:
        fields = tuple(_field(name, left.pop(name), schema["$defs"]) for name in names if name in left)
        if fields:
            made.append(TermGroup(title, fields))
    if left:
        made.append(TermGroup(REST, tuple(_field(name, spec, schema["$defs"]) for name, spec in left.items())))
    return tuple(made)


def _field(name: str, spec: Mapping[str, Any], defs: Mapping[str, Any]) -> TermField:
    label, hint = LABELS.get(name, name.replace("_", " ").capitalize()), str(spec.get("description", ""))
    if "oneOf" in spec:
        return TermField(name, label, hint, "price")
    if "$ref" in spec:
        values = defs[spec["$ref"].rpartition("/")[2]]["enum"]
        words = WORDS.get(name, {})
        return TermField(name, label, hint, "choice", options=tuple((v, words.get(v, v)) for v in values))
    if spec.get("type") == "boolean":
        words = WORDS.get(name, {"true": "Yes", "false": "No"})
        return TermField(name, label, hint, "switch", options=tuple(words.items()))
    optional = "anyOf" in spec
    bounds = next(s for s in spec["anyOf"] if s["type"] == "integer") if optional else spec
    low, high, unit = bounds["minimum"], bounds["maximum"], str(spec.get("unit", ""))
    if unit == "basis points":
        return TermField(name, label, hint, "share", "%", low // 100, high // 100, optional)
    return TermField(name, label, hint, "number", unit, low, high, optional)


def _all(clause: str, version: int) -> Iterator[TermField]:
    for group in groups(clause, version):
        yield from group.fields


def share_text(basis_points: int) -> str:
    """8550 -> ``85.5``."""
    whole, rest = divmod(basis_points, 100)
    return f"{whole}.{rest:02d}".rstrip("0") if rest else str(whole)


def to_form(clause: str, version: int, terms: Mapping[str, Any]) -> dict[str, Value]:
    """Terms in JSON types as the values of the form."""
    values: dict[str, Value] = {}
    for field in _all(clause, version):
        value = terms.get(field.name)
        if field.kind == "price" and isinstance(value, Mapping):
            values.update(_price_to_form(value))
        elif value is None:
            values[field.form_name] = ""
        elif field.kind == "share":
            values[field.form_name] = share_text(int(value))
        elif field.kind == "switch":
            values[field.form_name] = "true" if value else "false"
        else:
            values[field.form_name] = str(value)
    return values


def _price_to_form(price: Mapping[str, Any]) -> dict[str, Value]:
    values: dict[str, Value] = {PREFIX + "price_kind": str(price["kind"])}
    if price["kind"] == "fixed":
        values[PREFIX + "price_amount"] = str(price["amount"])
    elif price["kind"] == "percent_of_sale":
        values[PREFIX + "price_percent"] = share_text(price["percent_bp"])
    else:
        values[PREFIX + "price_shape"] = str(price["shape"])
        values[PREFIX + "price_declining"] = "yes" if price["declining"] else ""
        points = [f"{p['after_months']}: {share_text(p['percent_bp'])}" for p in price["points"]]
        values[PREFIX + "price_points"] = "\n".join(points)
    return values


def from_form(fields: Fields, clause: str, version: int) -> dict[str, Any]:
    """The terms in JSON types, for ``parse_terms``; what cannot be read is noted in ``fields``."""
    raw: dict[str, Any] = {}
    for field in _all(clause, version):
        name = field.form_name
        if field.kind == "price":
            raw[field.name] = _price(fields)
        elif field.kind == "share":
            raw[field.name] = read_share(fields, name, field.label, field.low, field.high, optional=field.optional)
        elif field.kind == "number":
            if field.optional and not fields.text(name, field.label, required=False):
                raw[field.name] = None
            else:
                raw[field.name] = fields.whole(name, field.label, low=field.low or 0, high=field.high or 0)
        else:
            chosen = fields.one_of(name, field.label, [value for value, _ in field.options])
            raw[field.name] = chosen == "true" if field.kind == "switch" else chosen
    return raw


def read_share(
    fields: Fields, name: str, label: str, low: int | None, high: int | None, *, optional: bool = False
) -> int | None:
    """A share typed in percent, in basis points; None where it may be left out, or cannot be read (noted in ``fields``)."""
    text = fields.text(name, label, required=not optional).removesuffix("%").strip()
    if not text:
        return None
    match = _SHARE.fullmatch(text)
    if match is None:
        fields.wrong(name, f"'{text[:20]}' is not a share. Write it like 85 or 85.5.")
        return None
    found = int(match[1]) * 100 + int((match[2] or "0").ljust(2, "0"))
    if (low is not None and found < low * 100) or (high is not None and found > high * 100):
        fields.wrong(name, f"{label} is from {low} to {high} %.")
    return found


def _price(fields: Fields) -> dict[str, Any]:
    kind = fields.one_of(PREFIX + "price_kind", "a kind of price", [value for value, _ in PRICE_KINDS])
    if kind == "fixed":
        return {"kind": kind, "amount": f"{fields.amount(PREFIX + 'price_amount', 'The fixed amount'):f}"}
    if kind == "percent_of_sale":
        share = read_share(fields, PREFIX + "price_percent", "The share of the price paid", 0, 300)
        return {"kind": kind, "percent_bp": share or 0}
    if kind != "schedule":
        return {"kind": kind}
    points = []
    for line in fields.text(PREFIX + "price_points", "The points in time", most=1000).splitlines():
        if not line.strip():
            continue
        match = _POINT.fullmatch(line)
        share_match = _SHARE.fullmatch(match[2]) if match else None
        if match is None or share_match is None:
            fields.wrong(PREFIX + "price_points", f"'{line[:30]}' is not a point. Write months and share like 60: 40.")
            continue
        share = int(share_match[1]) * 100 + int((share_match[2] or "0").ljust(2, "0"))
        points.append({"after_months": int(match[1]), "percent_bp": share})
    shape = fields.one_of(PREFIX + "price_shape", "how it changes", [value for value, _ in SHAPES])
    return {"kind": kind, "shape": shape, "declining": fields.yes(PREFIX + "price_declining"), "points": points}


def labels(clause: str, version: int) -> dict[str, str]:
    """The labels of the form's fields, for the summary of what is wrong."""
    found = {field.form_name: field.label for field in _all(clause, version)}
    price = {
        "kind": "Price",
        "amount": "Fixed amount",
        "percent": "Share of the price paid",
        "points": "Months and share",
    }
    return found | {f"{PREFIX}price_{name}": label for name, label in price.items()}


def named_for_form(error: DomainError) -> DomainError:
    """A refusal of ``parse_terms`` with the names of the form's fields, and their labels in its words."""
    fields = tuple(FieldError(_form_name(wrong.field), wrong.code, _worded(wrong.message)) for wrong in error.fields)
    message = "One term is not right." if len(fields) == 1 else f"{len(fields)} terms are not right."
    return DomainError(error.kind, error.code, message if fields else error.message, fields, error.extra)


def _worded(message: str) -> str:
    """``not later than notice_days_stock`` with the label that people see."""
    return re.sub(r"\b[a-z]+(?:_[a-z]+)+\b", lambda m: f"“{LABELS[m[0]]}”" if m[0] in LABELS else m[0], message)


def _form_name(path: str) -> str:
    if path == "use_class":
        return path
    if path == "price":
        return PREFIX + "price_kind"
    if path.startswith("price.points"):
        return PREFIX + "price_points"
    if path.startswith("price."):
        return PREFIX + "price_" + {"amount": "amount", "percent_bp": "percent"}.get(path[6:], path[6:])
    return PREFIX + path
