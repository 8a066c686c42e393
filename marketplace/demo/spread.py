"""Which terms each delivery is under: a believable spread in which every reason against a call is to be met.

The records know no clauses, so all of this is made up. A delivery is what one station received on one day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from marketplace.demo.draws import Dice, Draws
from marketplace.demo.rows import TermSheet


class Stand(StrEnum):
    """How a delivery's right stands at the start of the demo."""

    OPEN = "open"
    FLOOR = "floor"
    """Open, but it reaches only the minimum to keep."""
    FREE = "free"
    """Open, but it reaches only what is above the minimum to keep."""
    RESERVE = "reserve"
    """Open, less a holder's reserve."""
    CLOSED = "closed"
    NOT_OPEN = "not_open"
    NONE = "none"
    """Sold outright: nobody may call it."""


BUY_BACK, ACCESS_BACK = "buy-back", "access-back"
TARGETS: tuple[tuple[str, Stand, float], ...] = (
    (BUY_BACK, Stand.OPEN, 0.370),
    (ACCESS_BACK, Stand.OPEN, 0.275),
    (BUY_BACK, Stand.FLOOR, 0.045),
    (ACCESS_BACK, Stand.FREE, 0.045),
    (BUY_BACK, Stand.RESERVE, 0.025),
    (ACCESS_BACK, Stand.RESERVE, 0.020),
    (BUY_BACK, Stand.CLOSED, 0.035),
    (ACCESS_BACK, Stand.CLOSED, 0.020),
    (BUY_BACK, Stand.NOT_OPEN, 0.025),
    (ACCESS_BACK, Stand.NOT_OPEN, 0.020),
    ("", Stand.NONE, 0.120),
)
"""Share of the units that each kind of right should have; summed by clause, share of lots and of value too."""

_SPLIT_FROM = 4
"""Fewest units on every line of a delivery whose right reaches only some of them."""
_LONGEST = 360
_ENDS = (60, 84, 96, 120, 144, 168, 180, 192, 216, 240, 264, 300, 330, _LONGEST)
_ENDED = (24, 36, 48, 60, 72, 84, 96, 120, 144, 180, 240, 300)
_STARTS = tuple(range(12, _LONGEST - 24, 12))


@dataclass(slots=True)
class Line:
    """Units of one part at one price in a delivery, of one or more lots."""

    part_id: UUID
    price: Decimal
    quantity: int


@dataclass(slots=True)
class Delivery:
    """What one station received on one day, as far as one agreement can hold it (one price a part)."""

    key: tuple[str, str, int]
    """Station, day, running number."""
    ordered: bool
    """Has an order of its own (request records); otherwise taken over from the stock list."""
    day: datetime
    months: int
    """Whole months from the delivery to the start."""
    zone: str
    units: int
    value: Decimal
    lots: int
    fewest: int
    clause: str = ""
    stand: Stand = Stand.NONE


def spread(deliveries: Sequence[Delivery], draws: Draws) -> None:
    """Give each delivery its clause and stand, the largest first, so that the shares come out near the targets.

    Each goes where it lessens the distance to the targets most: shares of units by kind of right, of
    lots and of value by clause.
    """
    total_units = sum(d.units for d in deliveries)
    total_value = float(sum(d.value for d in deliveries))  # shares for ranking only, no money is computed from them
    total_lots = sum(d.lots for d in deliveries)
    shares = [(d.units / total_units, float(d.value) / total_value, d.lots / total_lots) for d in deliveries]
    units_off = [-share for _, _, share in TARGETS]
    value_off = {"": 0.0, BUY_BACK: 0.0, ACCESS_BACK: 0.0}
    for clause, _, share in TARGETS:
        value_off[clause] -= share
    lots_off = dict(value_off)
    order = sorted(range(len(deliveries)), key=lambda i: (-max(shares[i]), draws.number("spread", *deliveries[i].key)))
    allowed: dict[tuple[bool, bool, int], tuple[int, ...]] = {}
    for i in order:
        delivery = deliveries[i]
        units, value, lots = shares[i]
        kind = (delivery.fewest >= _SPLIT_FROM, delivery.ordered, delivery.months)
        choices = allowed.get(kind) or allowed.setdefault(kind, _allowed(*kind))
        best, least = choices[0], float("inf")
        for c in choices:
            cost = units_off[c] * units + lots_off[TARGETS[c][0]] * lots + value_off[TARGETS[c][0]] * value
            if cost < least:
                best, least = c, cost
        delivery.clause, delivery.stand, _ = TARGETS[best]
        units_off[best] += units
        lots_off[delivery.clause] += lots
        value_off[delivery.clause] += value


def _allowed(split: bool, ordered: bool, months: int) -> tuple[int, ...]:
    """The kinds of right that a delivery of this size and age can have."""
    found = []
    for index, (_, stand, _) in enumerate(TARGETS):
        fits = {
            Stand.NONE: not ordered,
            Stand.CLOSED: months > _ENDED[0] + 1,
            Stand.NOT_OPEN: months + 1 < _STARTS[-1],
            Stand.OPEN: months + 6 < _LONGEST,
        }.get(stand, split and months + 6 < _LONGEST)
        if fits:
            found.append(index)
    return tuple(found)


def terms_for(delivery: Delivery, dice: Dice) -> tuple[str, TermSheet]:
    """The term sheet of a delivery and its key: standard clauses, with windows that fit the stand.

    Windows count from the day of the delivery in round numbers of months, so that old deliveries end first.
    """
    months = delivery.months
    opens, closes = 0, 0
    if delivery.stand is Stand.CLOSED:
        closes = dice.one_of([m for m in _ENDED if m < months][-4:])
    elif delivery.stand is Stand.NOT_OPEN:
        opens = dice.one_of([m for m in _STARTS if m > months + 1][:3])
        closes = min(opens + 120, _LONGEST)
    else:
        closes = dice.one_of([m for m in _ENDS if m > months + 6][:4])
    reserve = dice.between(1, 2) if delivery.stand is Stand.RESERVE else 0
    manner = dice.below(3)
    name = f"{delivery.clause}/{delivery.stand.value}/{opens}-{closes}/{reserve}/{manner}"
    reach = {Stand.FLOOR: "floor", Stand.FREE: "free"}.get(delivery.stand, "all")
    return name, term_sheet(delivery.clause, reach, opens, closes, reserve, manner)


def term_sheet(clause: str, reach: str, opens: int, closes: int, reserve: int = 0, manner: int = 0) -> TermSheet:
    """Terms of buy-back/v1 or access-back/v1 as JSON values; ``manner`` 0, 1, 2 picks price and clocks."""
    sheet: TermSheet = {
        "clause": clause,
        "version": 1,
        "use_class": "either",
        "applies_to": reach,
        "minimum_to_keep": 1 if reach == "floor" else 0,
        "holder_reserve": reserve if reach != "floor" else 0,
        "window_start_months": opens,
        "window_end_months": closes,
        "notice_hours_machine_down": (24, 12, 48)[manner],
        "notice_days_urgent": (5, 3, 7)[manner],
        "notice_days_stock": (15, 10, 30)[manner],
        "respond_hours_machine_down": (4, 4, 8)[manner],
        "respond_days_urgent": (1, 1, 2)[manner],
        "respond_days_stock": (5, 3, 10)[manner],
        "no_response": ("refused", "accepted", "refused")[manner],
        "rounding": "half_up",
        "use_free_above_minimum": manner != 2,
        "use_notice_days": (10, 5, 15)[manner],
        "clearance_days": (60, 30, 90)[manner],
        "report_within_days": (10, 5, 30)[manner],
        "resale": ("consent", "not_allowed", "consent")[manner],
        "scrap_notice_days": (30, 20, 60)[manner],
        "runs_with_the_unit": True,
        "freight_payer": "manufacturer",
        "inspection_days": (10, 5, 14)[manner],
        "payment_days": (30, 14, 45)[manner],
        "loss_bearer": "holder",
        "loss_compensation_bp": (5_000, 6_000, 4_000)[manner],
    }
    if clause == BUY_BACK:
        sheet["price"] = (
            {"kind": "percent_of_sale", "percent_bp": 8_500},
            {
                "kind": "schedule",
                "shape": "step",
                "declining": True,
                "points": [
                    {"after_months": 0, "percent_bp": 10_000},
                    {"after_months": 24, "percent_bp": 9_000},
                    {"after_months": 60, "percent_bp": 8_000},
                    {"after_months": 120, "percent_bp": 6_500},
                ],
            },
            {
                "kind": "schedule",
                "shape": "linear",
                "declining": True,
                "points": [{"after_months": 0, "percent_bp": 9_500}, {"after_months": 240, "percent_bp": 5_000}],
            },
        )[manner]
        sheet["handling_bp"] = (600, 500, 0)[manner]
        sheet["price_floor_bp"] = (None, 4_000, 4_000)[manner]
        sheet["price_cap_bp"] = None
    else:
        sheet["draw_fee_bp"] = (300, 500, 200)[manner]
        sheet["replace_days"] = (90, 60, 180)[manner]
        sheet["purchase_percent_bp"] = (10_000, 10_500, 10_000)[manner]
    return sheet
