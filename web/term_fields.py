"""The terms of a clause as fields, made from the terms' own JSON schema: bounds, units and hints are the schema's, so that a
new clause version gets its editor without new code."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from marketplace.agreements.calendars import named_calendars
from marketplace.agreements.term_names import label_of
from marketplace.agreements.terms import terms_schema
from web.term_labels import GRADES, GROUPS, KINDS, PARTS, REST, SHAPES, WORDS

PREFIX: Final = "t_"
"""Before every field name of the first clause, so that a term may be called what it likes; a clause beside it has its own."""
LEFT_OUT: Final = frozenset({"clause", "version", "use_class"})
"""Chosen elsewhere on the page."""
_SHORT: Final = {
    ("price", "fixed", "amount"): "amount",
    ("price", "percent_of_sale", "percent_bp"): "percent",
    ("price", "schedule", "points"): "points",
    ("price", "schedule", "shape"): "shape",
    ("price", "schedule", "declining"): "declining",
}
_THINGS: Final = frozenset({"amount", "percent_bp", "points", "shape", "series", "base_period", "share_bp", "units"})
_LISTS: Final = {"PricePoint": "points", "MinimumStep": "points", "Blackout": "spans", "GradeAdjustment": "grades"}


@dataclass(frozen=True, slots=True)
class TermField:
    """One term, or a part of one. ``kind``: number, share, amount, choice, switch, check, text, month, calendar, points
    (months and shares, one a line), spans (days of the year, one a line), grades (a share by condition), or kinds: a choice
    with fields of its own. Bounds of a share are in basis points, of a text its length."""

    name: str
    form_name: str
    label: str
    hint: str
    kind: str
    unit: str = ""
    low: int | None = None
    high: int | None = None
    optional: bool = False
    options: tuple[tuple[str, str], ...] = ()
    kinds: tuple[KindOf, ...] = ()

    @property
    def said(self) -> str:
        """What it is called at the head of a sentence: names of things with their article."""
        return f"The {self.label[0].lower()}{self.label[1:]}" if self.name in _THINGS else f"“{self.label}”"

    @property
    def choices(self) -> tuple[tuple[str, str], ...]:
        """The kinds to choose from."""
        return tuple((kind.value, kind.words) for kind in self.kinds)

    @property
    def parts(self) -> tuple[TermField, ...]:
        """The field itself and all that belong to its kinds."""
        return (self, *(part for kind in self.kinds for part in kind.fields))


@dataclass(frozen=True, slots=True)
class KindOf:
    """One kind that a term may be of, with what belongs to it."""

    value: str
    words: str
    fields: tuple[TermField, ...]


@dataclass(frozen=True, slots=True)
class TermGroup:
    """Terms that belong together."""

    title: str
    fields: tuple[TermField, ...]


@lru_cache(maxsize=64)
def groups(
    clause: str, version: int, prefix: str = PREFIX, left_out: frozenset[str] = frozenset()
) -> tuple[TermGroup, ...]:
    """The fields of a clause version in groups; terms that no group names come last. ``left_out``: terms that are asked
    for elsewhere."""
    schema = terms_schema(clause, version)
    make = _Maker(clause, prefix, schema["$defs"])
    left = {name: spec for name, spec in schema["properties"].items() if name not in LEFT_OUT | left_out}
    made: list[TermGroup] = []
    for title, names in GROUPS:
        fields = tuple(make.field(name, left.pop(name)) for name in names if name in left)
        if fields:
            made.append(TermGroup(title, fields))
    if left:
        made.append(TermGroup(REST, tuple(make.field(name, spec) for name, spec in left.items())))
    return tuple(made)


def all_fields(clause: str, version: int, prefix: str = PREFIX, left_out: Collection[str] = ()) -> Iterator[TermField]:
    """The fields of a clause version, one after the other."""
    for group in groups(clause, version, prefix, frozenset(left_out)):
        yield from group.fields


@dataclass(frozen=True, slots=True)
class _Maker:
    clause: str
    prefix: str
    defs: Mapping[str, Any]

    def field(self, name: str, spec: Mapping[str, Any]) -> TermField:
        """A term of the clause."""
        return self._made(name, self.prefix + name, label_of(self.clause, name), spec)

    def _made(self, name: str, form_name: str, label: str, spec: Mapping[str, Any]) -> TermField:
        hint, optional = str(spec.get("description", "")), "anyOf" in spec
        unit = str(spec.get("unit", ""))
        of = next(s for s in spec["anyOf"] if s.get("type") != "null") if optional else spec

        def one(kind: str, **more: Any) -> TermField:
            return TermField(name, form_name, label, hint, kind, optional=optional, **more)

        if "oneOf" in of:
            return one("kinds", kinds=self._kinds(name, form_name, of["discriminator"]["mapping"]))
        if "$ref" in of:
            words = WORDS.get(name, {})
            values = self.defs[of["$ref"].rpartition("/")[2]]["enum"]
            return one("choice", options=tuple((v, words.get(v, v)) for v in values))
        if "enum" in of:
            return one("choice", options=tuple(SHAPES))
        if of["type"] == "array":
            kind = _LISTS[of["items"]["$ref"].rpartition("/")[2]]
            return one(kind, high=of["maxItems"], options=tuple(GRADES.items()) if kind == "grades" else ())
        if of["type"] == "boolean":
            if name == "declining":
                return one("check")
            return one("switch", options=tuple(WORDS.get(name, {"true": "Yes", "false": "No"}).items()))
        if of["type"] == "string":
            if name == "holiday_calendar":
                return one("calendar", options=named_calendars())
            if name == "amount":
                return one("amount")
            return one("month" if unit == "month" else "text", low=of.get("minLength", 1), high=of.get("maxLength", 20))
        if unit == "basis points":
            return one("share", unit="%", low=of["minimum"], high=of["maximum"])
        return one("number", unit=unit, low=of["minimum"], high=of["maximum"])

    def _kinds(self, name: str, form_name: str, mapping: Mapping[str, str]) -> tuple[KindOf, ...]:
        made: list[KindOf] = []
        for kind, words in KINDS[name].items():
            # Only where units are offered first is there an offer to match.
            if kind not in mapping or (kind == "match_third_party" and self.clause != "first-refusal"):
                continue
            parts = self.defs[mapping[kind].rpartition("/")[2]]["properties"]
            fields = tuple(
                self._made(
                    part,
                    f"{form_name}_{_SHORT.get((name, kind, part)) or f'{kind}_{part}'}",
                    PARTS[kind][part],
                    parts[part],
                )
                for part in PARTS[kind]
            )
            made.append(KindOf(kind, words, fields))
        return tuple(made)
