"""What the terms of the second library ask about beyond ``Facts``: values of an index, costs, offers, what was ordered and used
when. All of it has safe defaults, so that whoever knows none of it leaves it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from marketplace.agreements.outcomes import Act
from marketplace.kit.errors import invalid
from marketplace.kit.money import Money

if TYPE_CHECKING:
    from marketplace.agreements.notice import Notice


@dataclass(frozen=True, slots=True)
class Series:
    """A published index: its values by month ('2026-11'), as far as they are known."""

    name: str
    values: Mapping[str, Decimal] = field(default_factory=dict)
    discontinued: bool = False


@dataclass(frozen=True, slots=True)
class MarketValue:
    """What a unit is worth, who says so, and of which day that is."""

    amount: Money
    source: str
    on: date


@dataclass(frozen=True, slots=True)
class Dated:
    """So many units on one day at the holder's site."""

    day: date
    units: int


@dataclass(frozen=True, slots=True)
class Intent:
    """A holder's notice that it wants to do something with so many units. ``offer``: what somebody else has offered in
    writing for one of them."""

    act: Act
    quantity: int
    noticed_at: datetime
    offer: Money | None = None
    answer_by: datetime | None = None
    """Until when it can be answered, as stored when it was given; None = reckon it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Raises ``facts.invalid`` for what cannot be."""

    series: tuple[Series, ...] = ()
    stated_cost: Money | None = None
    """What the holder states, with evidence, that a unit cost it."""
    inbound_freight: Money | None = None
    """Freight per unit that the holder paid to receive it."""
    list_price_now: Money | None = None
    """The maker's list price on the day of notice; None = off the list."""
    superseded: bool = False
    """Another part has superseded this one."""
    market: MarketValue | None = None
    intent: Intent | None = None
    """The holder's notice that a first refusal answers."""
    answers: UUID | None = None
    """The notice that an order names; None = the oldest that runs."""
    notices: tuple[Notice, ...] = ()
    """Notices on record, oldest first, from which ``intent`` and ``cleared`` follow at a moment (``notice.as_of``)."""
    cleared: int = 0
    """Units that the holder may use, sell or scrap because a notice has run: no order reaches them."""
    let_go: int = 0
    """Units of a clearance that the minimum to keep has caught up with: neither an order nor the holder has them."""
    ordered: tuple[Dated, ...] = ()
    """Units ordered so far, cancelled orders not counted."""
    used: tuple[Dated, ...] = ()
    """Units used up or fitted so far without asking."""
    paid: bool = True
    """The price of the units is paid."""
    unpaid: int = 0
    """Of the units that the holder has, so many become its own when they are paid; under title-kept those count as taken out
    and remain no more."""
    frozen_days: int = 0
    """Days for which an insolvency froze the units."""
    renewals: int = 0
    """Renewals of the schedule so far."""
    not_renewed: bool = False
    """A party has given notice that it does not want it renewed."""
    crosses_border: bool = False
    """Units that go back leave the country they are in."""
    exported_on: date | None = None
    """The day on which they left the manufacturer's country."""
    suspension_ends_at: datetime | None = None
    """When a suspension that stands ends by itself."""

    def __post_init__(self) -> None:
        if (
            min(
                self.cleared,
                self.let_go,
                self.unpaid,
                self.frozen_days,
                self.renewals,
                *(d.units for d in (*self.ordered, *self.used)),
            )
            < 0
        ):
            raise invalid("facts.invalid", "Quantities and counts cannot be negative.")
        if self.intent is not None and (self.intent.quantity < 1 or self.intent.noticed_at.tzinfo is None):
            raise invalid("facts.invalid", "A notice names at least one unit, and its time with the zone.")

    def find(self, name: str) -> Series | None:
        """The index of this name, if anything is known of it."""
        return next((series for series in self.series if series.name == name), None)


ORDINARY = Circumstances()
"""Nothing out of the ordinary is known."""


def lengthened(
    renewals: int,
    frozen_days: int,
    unpaid: int = 0,
    exported_on: date | None = None,
    suspension_ends_at: datetime | None = None,
    *,
    not_renewed: bool = False,
) -> Circumstances:
    """What is known where nothing but renewals, a notice against one, days of legal holds, units not paid yet, an export and a
    suspension is."""
    if not (renewals or frozen_days or unpaid or exported_on or suspension_ends_at or not_renewed):
        return ORDINARY
    return Circumstances(
        renewals=renewals, frozen_days=frozen_days, unpaid=unpaid, exported_on=exported_on,
        suspension_ends_at=suspension_ends_at, not_renewed=not_renewed,
    )  # fmt: skip
