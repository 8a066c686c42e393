"""What an agreement means to the advisor and the watch: which of the units a holder has can be called, at what price, how fast it may use them. Pure.

Read off the stored terms as ``planning.clauses`` reads those of ready-made postings; what is exact to the day and the cent is asked
when a call is planned, by the clause itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

ORDERING = ("buy-back", "access-back", "title-kept")
"""Clauses under which units can be called; a first refusal alone waits for the holder's notice."""
USUAL_USE = 0.1
"""Hazard a year that a holder is taken to have where its clause has no allowance, until the ledger says more: as the advisor's."""
_BP = 10_000
_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Right:
    """One agreement. ``applies_to``: all, floor, free, or none; ``years``: how long it lasts from now, 0 where it is over or not open
    yet; ``firm``: nothing holds it up today; ``share``: of the price paid that a unit costs when it is called now."""

    id: UUID
    holder_id: UUID
    applies_to: str
    years: float
    opens_in: float
    firm: bool
    share: float
    allowed: float | None
    """Hazard a year that its allowance of use would come to; None where it has none."""
    currency: str


def right(row: Mapping[str, Any], clauses: Sequence[tuple[str, Mapping[str, Any]]], now: datetime) -> Right:
    """``row``: id, holder_id, status, legal_hold, window_opens_at, window_closes_at, schedule_date, currency, suspended; ``clauses``:
    (name, terms), the main one first."""
    orders = next(((name, terms) for name, terms in clauses if name in ORDERING), None)
    applies, share, allowed = "none", 1.0, None
    if orders is not None:
        name, terms = orders
        applies = str(terms.get("applies_to", "all"))
        share = _share(name, terms, row["schedule_date"], now.date())
    for _, terms in clauses:
        allowed = allowed if allowed is not None else _allowed(terms)
    left = (row["window_closes_at"] - now).total_seconds() / 86_400 / _YEAR
    opens = max((row["window_opens_at"] - now).total_seconds() / 86_400 / _YEAR, 0.0)
    return Right(
        row["id"], row["holder_id"], applies, max(left, 0.0), opens, not (row["legal_hold"] or row["suspended"]), share,
        allowed, row["currency"],
    )  # fmt: skip


def _share(clause: str, terms: Mapping[str, Any], since: date, today: date) -> float:
    """Of the price paid. What follows an index, a cost, a market or an offer is taken as the price paid."""
    if clause == "title-kept":
        return float(terms.get("recall_fee_bp", 0)) / _BP
    if clause == "access-back":
        # A unit that is drawn is replaced by an equal one, or paid.
        return 1.0 + float(terms.get("draw_fee_bp", 0)) / _BP
    price: Mapping[str, Any] = terms.get("price") or {}
    handling = float(terms.get("handling_bp", 0)) / _BP
    if price.get("kind") == "percent_of_sale":
        return float(price["percent_bp"]) / _BP + handling
    if price.get("kind") == "schedule" and price.get("points"):
        months = (today - since).days / 30.4375
        reached = [p for p in price["points"] if p["after_months"] <= months] or price["points"][:1]
        return float(reached[-1]["percent_bp"]) / _BP + handling
    return 1.0 + handling


def _allowed(terms: Mapping[str, Any]) -> float | None:
    """The allowance as a hazard a year; of one in units the share is not known before there are units."""
    allowance = terms.get("use_allowance")
    if not allowance or allowance.get("kind") != "share_of_sold":
        return None
    return -math.log1p(-min(allowance["share_bp"] / _BP, 0.999)) * 12 / float(allowance["period_months"])


def reached(applies_to: str, there: int, keep: int, held: int) -> tuple[int, int]:
    """(units that can be called, of them those that the holder must keep): ``there`` units are with the holder, ``held`` of them
    reserved, ``keep`` is its minimum."""
    free = max(there - held, 0)
    kept = min(max(keep, 0), free)
    if applies_to == "all":
        return free, kept
    if applies_to == "floor":
        return kept, kept
    return (free - kept, 0) if applies_to == "free" else (0, 0)
