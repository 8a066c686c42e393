"""What an agreement means to the advisor and the watch: which of the units a holder has can be called, at what price, how fast it may use them. Pure.

Read off the stored terms as ``planning.clauses`` reads those of ready-made postings. Prices are the clause's own, of the day and to the
cent but for its roundings; how many a period or an order may have, blackouts and other limits of single orders are asked by the clause
when a call is planned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from marketplace.agreements.circumstances import Circumstances
from marketplace.agreements.facts import Facts
from marketplace.agreements.price_rules import PercentOfSale, PriceSchedule
from marketplace.agreements.prices import percent_after
from marketplace.agreements.pricing import price_on
from marketplace.agreements.terms import AccessBackV2, BuyBackV2, parse_terms
from marketplace.kit.clock import add_months, months_between
from marketplace.kit.money import Money

ORDERING = ("buy-back", "access-back", "title-kept")
"""Clauses under which units can be called; a first refusal alone waits for the holder's notice."""
USUAL_USE = 0.1
"""Hazard a year that a holder is taken to have where its clause has no allowance, until the ledger says more: as the advisor's."""
_BP = 10_000
_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Right:
    """One agreement. ``applies_to``: all, floor, free, or none; ``years``: how long it lasts from now as it stands, ``renewed``: with the
    renewals that come by themselves unless somebody gives notice; 0 where it is over; ``firm``: nothing holds it up today."""

    id: UUID
    holder_id: UUID
    applies_to: str
    years: float
    renewed: float
    opens_in: float
    firm: bool
    renewal: str
    """none, automatic or by_agreement: whether it can still go on after its window."""
    steps: tuple[tuple[float, float], ...]
    """How the minimum to keep declines: (years from now, below 0 where that is past; share of it from then on)."""
    price: Call
    allowed: float | None
    """Hazard a year that its allowance of use would come to; None where it has none."""
    currency: str

    def kept(self, minimum: float, years: float = 0.0) -> int:
        """The minimum to keep in so many years, of the one that it began with; rounded up to a unit."""
        share = next((s for at, s in reversed(self.steps) if at <= years), 1.0)
        return math.ceil(minimum * share - 1e-9)


@dataclass(frozen=True, slots=True)
class Call:
    """What a unit costs when it is called today: ``share`` of the price paid, held between ``least`` and ``most`` of it; ``fixed`` in its
    place where the clause names an amount; ``fee`` of the price paid on top. ``follows``: what the price follows beside the price paid
    (indexed, percent_of_list, cost_plus, market_minus), which ``priced`` has to be told of; '' otherwise. ``clause``, ``version``, ``terms``,
    ``since``: what it is read from."""

    share: float
    clause: str
    version: int
    terms: Mapping[str, Any]
    since: date
    fixed: float | None = None
    fee: float = 0.0
    least: float | None = None
    most: float | None = None
    follows: str = ""

    def of(self, paid: float) -> float:
        """For a unit that the holder paid so much for; NaN where the price follows something else."""
        if self.follows:
            return math.nan
        found = paid * self.share if self.fixed is None else self.fixed
        found = found if self.least is None else max(found, paid * self.least)
        found = found if self.most is None else min(found, paid * self.most)
        return found + paid * self.fee


def priced(call: Call, paid: Money, known: Circumstances, zone: str, today: date) -> float:
    """As ``Call.of`` where the price follows something: by the clause itself, with what is ``known`` of it today."""
    terms = parse_terms(call.clause, call.version, call.terms)
    if not isinstance(terms, BuyBackV2 | AccessBackV2):
        return math.nan
    facts = Facts(
        schedule_date=call.since, zone=zone, sale_price=paid, quantity_sold=1, remaining=1, circumstances=known
    )
    return float(price_on(terms, facts, today).amount.amount) + float(paid.amount) * call.fee


def right(row: Mapping[str, Any], clauses: Sequence[tuple[str, Mapping[str, Any]]], now: datetime) -> Right:
    """``row``: id, holder_id, status, legal_hold, window_opens_at, window_closes_at, schedule_date, currency, suspended, version, renewals,
    decide_by, refused (a side gave notice against a renewal); ``clauses``: (name, terms), the main one first."""
    ordering = next(((n, name, terms) for n, (name, terms) in enumerate(clauses) if name in ORDERING), None)
    applies, allowed = "none", None
    steps: tuple[tuple[float, float], ...] = ()
    price = Call(1.0, "", 0, {}, row["schedule_date"])
    if ordering is not None:
        place, name, terms = ordering
        applies = str(terms.get("applies_to", "all"))
        # What stands beside the main clause is of the second library; of each clause there, its only version.
        version = int(row["version"]) if place == 0 else 1 if name == "title-kept" else 2
        price = _call(name, version, terms, row["schedule_date"], now.date())
        steps = _steps(terms, row["schedule_date"], now)
    for _, terms in clauses:
        allowed = allowed if allowed is not None else _allowed(terms)
    left = max((row["window_closes_at"] - now).total_seconds() / 86_400 / _YEAR, 0.0)
    opens = max((row["window_opens_at"] - now).total_seconds() / 86_400 / _YEAR, 0.0)
    renewal, more = _renewal(clauses[0][1] if clauses else {}, row)
    return Right(
        row["id"], row["holder_id"], applies, left, left + (more if renewal == "automatic" else 0.0), opens,
        not (row["legal_hold"] or row["suspended"]), renewal, steps, price, allowed, row["currency"],
    )  # fmt: skip


def _renewal(terms: Mapping[str, Any], row: Mapping[str, Any]) -> tuple[str, float]:
    """Whether the window can still be lengthened, and by how many years in all."""
    kind = str(terms.get("renewal", "none"))
    left = int(terms.get("max_renewals", 0)) - row["renewals"]
    if kind == "none" or left <= 0 or row["refused"] or row["decide_by"] is None:
        return "none", 0.0
    return kind, left * float(terms["renewal_months"]) / 12


def _steps(terms: Mapping[str, Any], since: date, now: datetime) -> tuple[tuple[float, float], ...]:
    return tuple(
        ((add_months(since, step["after_months"]) - now.date()).days / _YEAR, step["percent_bp"] / _BP)
        for step in terms.get("minimum_steps") or ()
    )


def _call(clause: str, version: int, terms: Mapping[str, Any], since: date, today: date) -> Call:
    """The price of a call. A unit that is drawn under access-back is taken as not replaced, so that its price is owed beside the fee."""
    whole = 1.0 + float(terms.get("handling_bp", 0)) / _BP
    least, most = (None if terms.get(n) is None else float(terms[n]) / _BP for n in ("price_floor_bp", "price_cap_bp"))
    fee = float(terms.get("draw_fee_bp", 0)) / _BP if clause == "access-back" else 0.0
    if clause == "title-kept":
        return Call(float(terms.get("recall_fee_bp", 0)) / _BP, clause, version, terms, since)
    if clause == "access-back" and version == 1:
        return Call(float(terms.get("purchase_percent_bp", _BP)) / _BP, clause, version, terms, since, fee=fee)
    price: Mapping[str, Any] = terms.get("price") or {}
    kind = price.get("kind")
    if kind == "fixed":
        return Call(1.0, clause, version, terms, since, float(price["amount"]) * whole, fee, least, most)
    if kind in ("percent_of_sale", "schedule"):
        rule = PercentOfSale if kind == "percent_of_sale" else PriceSchedule
        percent = percent_after(rule.model_validate(price), months_between(since, today))
        return Call(percent / _BP * whole, clause, version, terms, since, None, fee, least, most)
    return Call(1.0, clause, version, terms, since, None, fee, follows=str(kind or "unknown"))


def _allowed(terms: Mapping[str, Any]) -> float | None:
    """The allowance as a hazard a year; of one in units the share is not known before there are units."""
    allowance = terms.get("use_allowance")
    if not allowance or allowance.get("kind") != "share_of_sold":
        return None
    return -math.log1p(-min(allowance["share_bp"] / _BP, 0.999)) * 12 / float(allowance["period_months"])


class Piece(NamedTuple):
    """Units under one right that can be called for so many years; ``floor`` of them the holder must keep until then."""

    units: int
    floor: int
    years: float


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


def pieces(given: Right, there: int, minimum: float, back: float, held: int, years: float) -> list[Piece]:
    """As ``reached``, over time: ``minimum`` as it began, ``back`` units of it are used up already by orders. Where only the minimum can be
    called and declines, what leaves it is out of reach from then on; where everything can, it is the holder's to use from today on, which
    counts on a little less than there is."""
    back = back if given.applies_to == "floor" else 0.0

    def keep(at: float) -> int:
        return max(given.kept(minimum, at) - int(back), 0)

    units, floor = reached(given.applies_to, there, keep(0.0), held)
    ahead = [at for at, _ in given.steps if 0 < at < years]
    if not ahead:
        return [Piece(units, floor, years)]
    if given.applies_to != "floor":
        return [Piece(units, min(floor, keep(years)) if given.applies_to == "all" else floor, years)]
    found = []
    for at in ahead:
        left = min(units, keep(at))
        if left < units:
            found.append(Piece(units - left, units - left, at))
        units = left
    return [*found, Piece(units, units, years)]
