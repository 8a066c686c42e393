"""What the evaluator needs to know about one schedule at one moment. Gathered by queries, decided by the core."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from marketplace.agreements.circumstances import ORDINARY, Circumstances
from marketplace.agreements.terms import Urgency
from marketplace.kit.errors import invalid
from marketplace.kit.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One schedule of an agreement as it stands, in base units of the part.

    ``held``, ``in_transit``, ``quality_held`` and ``withdrawn`` are parts of ``remaining`` that do not overlap. Raises
    ``facts.invalid`` for numbers that no schedule can have.
    """

    schedule_date: date
    """The day the schedule was signed: every window counts from here."""
    zone: str
    """IANA time zone of the holder's site: days end at its midnight."""
    sale_price: Money
    """What the holder paid per unit."""
    quantity_sold: int
    remaining: int
    """Units of the schedule that the holder still has, at whichever of its sites; not those on their way to somebody else."""
    requested: int = 0
    """Units asked for by the call under evaluation; 0 when only asking what could be called."""
    urgency: Urgency = Urgency.STOCK
    list_price: Money | None = None
    """List price per unit as stated in the schedule, if it states one."""
    minimum_to_keep: int | None = None
    """The schedule's own minimum to keep; None = the one in the terms."""
    held: int = 0
    """Reserved for calls under this agreement that have not shipped."""
    in_transit: int = 0
    """On the way between two sites of the holder. In the ledger a move takes no time, so that none ever is; the released
    examples of the first library, which cannot change, tell of some."""
    quality_held: int = 0
    """On quality hold by the maker or the holder."""
    withdrawn: int = 0
    """Said not to be on the shelf: out of reach until the holder has counted."""
    not_accepted: int = 0
    """Of those sold: short, damaged or the wrong part on receipt, so that they never became the holder's."""
    taken_back: int = 0
    """Units already shipped back to the manufacturer and not replaced."""
    taken_above: int = 0
    """Of those taken back, units under a clause that reaches what is above the minimum, where another one reaches only the minimum."""
    held_above: int = 0
    """Of those held, likewise."""
    exercises: int = 0
    """Calls made under this schedule so far, cancelled ones not counted."""
    legal_hold: bool = False
    """Insolvency or a court: nothing moves."""
    suspended: bool = False
    """The agreement is suspended for a stated reason."""
    out_of_force: str = ""
    """Why nothing can be done under it, where it is not merely suspended: 'The agreement has ended.'"""
    tolled_days: int = 0
    """Days of past suspensions, added to the end of the window."""
    notice_at: datetime | None = None
    """When notice of the call was given; None = it is being given now."""
    circumstances: Circumstances = ORDINARY
    """What only terms of the second library ask about."""

    def __post_init__(self) -> None:
        counts = (
            self.quantity_sold,
            self.remaining,
            self.requested,
            self.held,
            self.in_transit,
            self.quality_held,
            self.withdrawn,
            self.not_accepted,
            self.taken_back,
            self.taken_above,
            self.held_above,
            self.exercises,
            self.tolled_days,
            self.minimum_to_keep or 0,
        )
        if min(counts) < 0:
            raise invalid("facts.invalid", "Quantities and counts cannot be negative.")
        if self.not_accepted > self.quantity_sold:
            raise invalid("facts.invalid", "More units were not accepted than the schedule sold.")
        if self.remaining > self.quantity_sold:
            raise invalid("facts.invalid", "More units remain than the schedule sold.")
        if (self.minimum_to_keep or 0) > self.quantity_sold:
            raise invalid("facts.invalid", "The minimum to keep is larger than the quantity sold.")
        if self.held + self.in_transit + self.quality_held + self.withdrawn > self.remaining:
            raise invalid("facts.invalid", "More units are reserved, on the way, on hold or being counted than remain.")
        if self.taken_above > self.taken_back or self.held_above > self.held:
            raise invalid("facts.invalid", "More units were ordered above the minimum than were ordered.")
        if self.notice_at is not None and self.notice_at.tzinfo is None:
            raise invalid("facts.invalid", "Give the time of notice with its zone.")
        if self.circumstances is not ORDINARY:
            self._check_circumstances()
        if self.list_price is not None and self.list_price.currency != self.sale_price.currency:
            raise invalid("facts.invalid", "The list price must be in the currency of the sale.")

    def _check_circumstances(self) -> None:
        known = self.circumstances
        offered = known.intent.offer if known.intent else None
        market = known.market.amount if known.market else None
        for money in (known.stated_cost, known.inbound_freight, known.list_price_now, offered, market):
            if money is not None and money.currency != self.sale_price.currency:
                raise invalid("facts.invalid", "All prices and costs must be in the currency of the sale.")
        if known.cleared + known.let_go + self.held > self.remaining:
            raise invalid("facts.invalid", "More units are cleared for use and reserved than remain.")

    @property
    def accepted(self) -> int:
        """Units of the schedule that became the holder's; all of them until something else was received."""
        return self.quantity_sold - self.not_accepted
