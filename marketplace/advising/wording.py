"""Rows of advice in words: what is advised, under which terms, why, and what to look at. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from marketplace.advising.reckoning import Kind, Mark, advice_of
from marketplace.planning.advice import Advice, Policy
from marketplace.planning.classes import DemandClass

KINDS: Mapping[Kind, str] = {
    Kind.KEEP: "Keep all",
    Kind.RELEASE: "Release",
    Kind.SCRAP: "Scrap",
    Kind.NONE: "No advice",
}
MARKS: Mapping[Mark, str] = {
    Mark.PROTECTED: "Protected in the stock file", Mark.STATED: "Protected by your company", Mark.NO_PRICE: "No price", Mark.OTHER_CURRENCY: "Price in another currency only", Mark.NO_HISTORY: "No history",
    Mark.SHORT: "Fewer than 12 months on record", Mark.SILENT: "Never asked for", Mark.GAPS: "Months without a record", Mark.RETURNS: "Returns",
    Mark.OUTLIERS: "Outliers", Mark.PACKS: "Packs or pieces?", Mark.STOPPED: "No record of late", Mark.REPLACED: "Replaced: its demand counts at its successor",
    Mark.POOLED: "Carries its predecessors' demand", Mark.UNSTEADY: "Depends on how fast partners use units up", Mark.SEVERAL: "Asked for several at a time",
}  # fmt: skip


def marks(given: int) -> list[Mark]:
    """The single marks in a number."""
    return [mark for mark in Mark if given & mark]


def mark_named(name: str) -> int:
    """The mark of a word of the wire."""
    return Mark[name.upper()].value


def as_advice(rows: Sequence[Any], policy: Policy, names: Sequence[str]) -> Advice:
    """Rows (with attributes ``names``) as the advice they were."""
    return advice_of({name: np.array([getattr(row, name) for row in rows]) for name in names}, policy)


def class_word(kind: int) -> str:
    """For the wire."""
    return DemandClass(kind).name.lower()
