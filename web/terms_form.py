"""The terms of a clause in a form: filled in from terms, and read back. Shares are typed in percent and kept in basis
points; lists are typed one a line."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from marketplace.agreements.term_names import LABELS, OF_CLAUSE
from marketplace.kit.errors import DomainError, FieldError
from web.forms import Fields, Value
from web.term_fields import PREFIX, KindOf, TermField, all_fields

_SHARE = re.compile(r"(\d{1,4})(?:[.,](\d{1,2}))?")
_POINT = re.compile(r"\s*(\d{1,3})\s*(?:months?|mo|m)?\s*[:;,\s]\s*(\d{1,3}(?:[.,]\d{1,2})?)\s*%?\s*", re.IGNORECASE)
_DAY = r"(\d{1,2})\.?\s*([a-z]{3,9})\.?"
_SPAN = re.compile(rf"\s*{_DAY}\s*(?:-|–|to|until|;|,)\s*{_DAY}\s*", re.IGNORECASE)
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LONGEST_LIST: Final = 1_000
"""Characters of a list that is typed one a line."""


def share_text(basis_points: int) -> str:
    """8550 -> ``85.5``."""
    whole, rest = divmod(basis_points, 100)
    return f"{whole}.{rest:02d}".rstrip("0") if rest else str(whole)


# -- terms to form -------------------------------------------------------------------------------------------


def to_form(
    clause: str, version: int, terms: Mapping[str, Any], prefix: str = PREFIX, left_out: Collection[str] = ()
) -> dict[str, Value]:
    """Terms in JSON types as the values of the form."""
    values: dict[str, Value] = {}
    for field in all_fields(clause, version, prefix, left_out):
        values.update(_shown(field, terms.get(field.name)))
    return values


def _shown(field: TermField, value: Any) -> dict[str, Value]:
    if field.kind == "kinds":
        kind = str(value["kind"]) if value else ""
        values: dict[str, Value] = {f"{field.form_name}_kind": kind}
        for part in _kind(field, kind).fields:
            values.update(_shown(part, value[part.name]))
        return values
    if field.kind == "grades":
        shares = {str(a["grade"]): share_text(a["percent_bp"]) for a in value or ()}
        return {f"{field.form_name}_{grade}": shares.get(grade, "") for grade, _ in field.options}
    return {field.form_name: _text(field, value)}


def _text(field: TermField, value: Any) -> str:
    if value is None:
        return ""
    if field.kind == "share":
        return share_text(int(value))
    if field.kind == "switch":
        return "true" if value else "false"
    if field.kind == "check":
        return "yes" if value else ""
    if field.kind == "points":
        return "\n".join(f"{p['after_months']}: {share_text(p['percent_bp'])}" for p in value)
    if field.kind == "spans":
        return "\n".join(
            f"{b['from_day']} {MONTHS[b['from_month'] - 1]} - {b['to_day']} {MONTHS[b['to_month'] - 1]}" for b in value
        )
    return str(value)


def _kind(field: TermField, value: str) -> KindOf:
    """The kind of this name; without fields where there is none."""
    return next((kind for kind in field.kinds if kind.value == value), KindOf(value, value, ()))


# -- form to terms -------------------------------------------------------------------------------------------


def from_form(
    fields: Fields, clause: str, version: int, prefix: str = PREFIX, left_out: Collection[str] = ()
) -> dict[str, Any]:
    """The terms in JSON types, for ``parse_terms``; what cannot be read is noted in ``fields``."""
    return {field.name: _read(fields, field) for field in all_fields(clause, version, prefix, left_out)}


def _read(fields: Fields, field: TermField, label: str | None = None) -> Any:
    name, label = field.form_name, label or field.label
    if field.kind == "kinds":
        return _read_kind(fields, field)
    if field.kind == "share":
        return read_share(fields, name, label, field.low, field.high, optional=field.optional)
    if field.kind == "amount":
        return f"{fields.amount(name, label):f}"
    if field.kind == "check":
        return fields.yes(name)
    if field.kind == "points":
        return [
            _point(found) for found in _lines(fields, field, label, _POINT, "a point", "months and share like 60: 40")
        ]
    if field.kind == "spans":
        found = _lines(fields, field, label, _SPAN, "a span of days", "the first and the last day like 24 Dec - 6 Jan")
        return [_span(match) for match in found]
    if field.kind == "grades":
        return _grades(fields, field)
    if field.optional and not fields.text(name, label, required=False):
        return None
    if field.kind == "number":
        return fields.whole(name, label, low=field.low or 0, high=field.high or 0)
    if field.kind in {"text", "month"}:
        return fields.text(name, label, most=field.high or 200)
    chosen = fields.one_of(name, label, [value for value, _ in field.options])
    return chosen == "true" if field.kind == "switch" else chosen


def _read_kind(fields: Fields, field: TermField) -> dict[str, Any] | None:
    name = f"{field.form_name}_kind"
    if field.optional and not fields.text(name, field.label, required=False):
        return None
    what = "a kind of price" if field.name == "price" else field.label
    kind = fields.one_of(name, what, [kind.value for kind in field.kinds])
    parts = _kind(field, kind).fields
    return {"kind": kind, **{p.name: _read(fields, p, p.said) for p in parts}}


def read_share(
    fields: Fields, name: str, label: str, low: int | None, high: int | None, *, optional: bool = False
) -> int | None:
    """A share typed in percent, in basis points as its bounds are; None where it may be left out, or cannot be read (noted
    in ``fields``)."""
    text = fields.text(name, label, required=not optional).removesuffix("%").strip()
    if not text:
        return None
    match = _SHARE.fullmatch(text)
    if match is None:
        fields.wrong(name, f"'{text[:20]}' is not a share. Write it like 85 or 85.5.")
        return None
    found = _basis_points(match)
    if (low is not None and found < low) or (high is not None and found > high):
        fields.wrong(name, f"{label} is from {share_text(low or 0)} to {share_text(high or 0)} %.")
    return found


def _basis_points(match: re.Match[str]) -> int:
    return int(match[1]) * 100 + int((match[2] or "0").ljust(2, "0"))


def _lines(
    fields: Fields, field: TermField, label: str, pattern: re.Pattern[str], what: str, like: str
) -> list[re.Match[str]]:
    """Each line as the pattern reads it; empty ones are passed over, others that do not fit are noted."""
    found: list[re.Match[str]] = []
    text = fields.text(field.form_name, label, required=field.name == "points", most=LONGEST_LIST)
    for line in text.splitlines():
        match = pattern.fullmatch(line)
        if match and (pattern is not _SPAN or all(_month(match[i]) for i in (2, 4))):
            found.append(match)
        elif line.strip():
            fields.wrong(field.form_name, f"'{line.strip()[:30]}' is not {what}. Write {like}.")
    return found


def _point(match: re.Match[str]) -> dict[str, int]:
    share = _SHARE.fullmatch(match[2])
    return {"after_months": int(match[1]), "percent_bp": _basis_points(share) if share else 0}


def _month(text: str) -> int:
    """1 to 12; 0 for what is no month."""
    short = text[:3].capitalize()
    return MONTHS.index(short) + 1 if short in MONTHS else 0


def _span(match: re.Match[str]) -> dict[str, int]:
    return {
        "from_month": _month(match[2]), "from_day": int(match[1]), "to_month": _month(match[4]), "to_day": int(match[3]),
    }  # fmt: skip


def _grades(fields: Fields, field: TermField) -> list[dict[str, Any]]:
    made = []
    for grade, words in field.options:
        share = read_share(fields, f"{field.form_name}_{grade}", words, 0, 10_000, optional=True)
        if share is not None:
            made.append({"grade": grade, "percent_bp": share})
    return made


# -- what is wrong, by the names of the form ------------------------------------------------------------------


def labels(clause: str, version: int, prefix: str = PREFIX, left_out: Collection[str] = ()) -> dict[str, str]:
    """The labels of the form's fields, for the summary of what is wrong."""
    made: dict[str, str] = {}
    for field in all_fields(clause, version, prefix, left_out):
        made |= {part.form_name: part.label for part in field.parts}
        if field.kind == "kinds":
            made[f"{field.form_name}_kind"] = "Price" if field.name == "price" else field.label
        if field.kind == "grades":
            made |= {f"{field.form_name}_{g}": f"{field.label}: {words}" for g, words in field.options}
    return made


def named_for_form(
    error: DomainError, clause: str, version: int, raw: Mapping[str, Any], prefix: str = PREFIX
) -> DomainError:
    """A refusal of ``parse_terms`` of ``raw`` with the names of the form's fields, and their labels in its words. Terms that
    are asked for with the first clause only are its fields."""
    known = {field.name: field for field in all_fields(clause, version, prefix)}
    fields = tuple(
        FieldError(
            _form_name(wrong.field, known, raw), wrong.code, _worded(_where(wrong.field) + wrong.message, clause)
        )
        for wrong in error.fields
    )
    message = "One term is not right." if len(fields) == 1 else f"{len(fields)} terms are not right."
    return DomainError(error.kind, error.code, message if fields else error.message, fields, error.extra)


def _worded(message: str, clause: str) -> str:
    """``not later than notice_days_stock`` with the label that people see."""
    named = {**LABELS, **OF_CLAUSE.get(clause, {})}
    return re.sub(r"\b[a-z]+(?:_[a-z]+)+\b", lambda m: f"“{named[m[0]]}”" if m[0] in named else m[0], message)


def _where(path: str) -> str:
    """'Line 2: ' for what is said of the second of several."""
    found = re.fullmatch(r"(?:price\.points|minimum_steps|blackouts)\.(\d+)\.\w+", path)
    return f"Line {int(found[1]) + 1}: " if found else ""


def _form_name(path: str, known: Mapping[str, TermField], raw: Mapping[str, Any]) -> str:
    name, *rest = path.split(".")
    field = known.get(name)
    if field is None:
        return path
    if field.kind == "kinds":
        value = raw.get(name) or {}
        parts = {part.name: part.form_name for part in _kind(field, str(value.get("kind", ""))).fields}
        return parts.get(rest[0] if rest else "", f"{field.form_name}_kind")
    if field.kind == "grades":
        stated: Sequence[Mapping[str, Any]] = raw.get(name) or ()
        at = int(rest[0]) if rest else 0
        grade = stated[at]["grade"] if at < len(stated) else field.options[0][0]
        return f"{field.form_name}_{grade}"
    return field.form_name
