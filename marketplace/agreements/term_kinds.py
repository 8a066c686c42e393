"""What terms of the second library are made of: choices, and small frozen types that a term may be a list of.

Docstrings and descriptions of these types are part of ``terms.schema.json``: do not reword them under a released version.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from marketplace.agreements.price_rules import WHOLE, Contradiction, Frozen, number, refuse


class DayCount(StrEnum):
    """How the days of a period are counted."""

    CALENDAR = "calendar"
    BUSINESS = "business"
    """Working days of the named holiday calendar."""


class Scope(StrEnum):
    """Which units may go back under the right."""

    LOTS = "lots"
    """Only the units of the schedule themselves."""
    PARTS = "parts"
    """Any equal unit of the same part."""
    INTERCHANGE = "interchange"
    """Any equal unit of a part that the maker lists as interchangeable."""


class UseRule(StrEnum):
    """When units above the minimum may be used up or fitted."""

    FREE = "free"
    WITHIN_ALLOWANCE = "within_allowance"
    """Without asking within the allowance, after notice beyond it."""
    AFTER_NOTICE = "after_notice"
    CONSENT = "consent"


class ResaleRule(StrEnum):
    """When units above the minimum may be sold on."""

    FREE = "free"
    OFFER_FIRST = "offer_first"
    """After the manufacturer was offered the units."""
    CONSENT = "consent"
    ACCESSION = "accession"
    """Without asking, once the buyer has taken over the clause in writing."""
    NOT_ALLOWED = "not_allowed"


class ScrapRule(StrEnum):
    """When units above the minimum may be scrapped."""

    FREE = "free"
    OFFER_FIRST = "offer_first"
    CONSENT = "consent"


class NoticeSilence(StrEnum):
    """What it means that the manufacturer does not respond to a notice or an offer in time."""

    CLEARED = "cleared"
    REFUSED = "refused"


class ConsentSilence(StrEnum):
    """What it means that the manufacturer does not respond to a request for consent in time."""

    REFUSED = "refused"
    GIVEN = "given"


class Substitution(StrEnum):
    """Which other part may stand in for the one ordered."""

    NONE = "none"
    FORM_FIT_FUNCTION = "form_fit_function"
    """A part equal in form, fit and function."""
    MAKERS_LIST = "makers_list"
    """A part that the maker's list names in its place."""


class Direction(StrEnum):
    """Which way a part may stand in for another."""

    NEWER_FOR_OLDER = "newer_for_older"
    EITHER = "either"


class Grade(StrEnum):
    """Condition of a unit, best first."""

    NEW = "new"
    NEW_OLD_STOCK = "new_old_stock"
    REMANUFACTURED = "remanufactured"
    USED_TESTED = "used_tested"
    USED = "used"
    CORE = "core"


class Papers(StrEnum):
    """Papers that go back with a unit."""

    NONE = "none"
    AS_SOLD = "as_sold"
    """Those that came with it."""
    CERTIFICATE = "certificate"
    """A certificate of conformity or release."""
    FULL_TRACE = "full_trace"
    """The certificate and every change of custody."""


class RejectRemedy(StrEnum):
    """What happens to a unit that is rejected on inspection."""

    RETURN = "return"
    """It goes back at the holder's cost and stays under the clause."""
    REPLACE = "replace"
    """The holder sends another unit at its own cost."""
    CREDIT = "credit"
    """The manufacturer keeps it and pays nothing."""


class Incoterm(StrEnum):
    """Incoterms 2020 rule for units that go back; the holder is the seller, the manufacturer the buyer."""

    EXW = "EXW"
    FCA = "FCA"
    FAS = "FAS"
    FOB = "FOB"
    CFR = "CFR"
    CIF = "CIF"
    CPT = "CPT"
    CIP = "CIP"
    DAP = "DAP"
    DPU = "DPU"
    DDP = "DDP"


class StorageConditions(StrEnum):
    """How units are stored."""

    DRY_INDOORS = "dry_indoors"
    CLIMATE_CONTROLLED = "climate_controlled"
    AS_MAKER_STATES = "as_maker_states"


class Title(StrEnum):
    """Who owns the units in the holder's hands."""

    SOLD = "sold"
    """The holder, from delivery."""
    RETAINED_UNTIL_PAID = "retained_until_paid"
    """The manufacturer until the price is paid, then the holder."""
    CONSIGNED = "consigned"
    """The manufacturer until a unit is taken out."""


class Insolvency(StrEnum):
    """What an insolvency of the holder does to the window. Nothing is ever shipped by itself."""

    FREEZE = "freeze"
    """Units stay where they are; the window runs on."""
    FREEZE_AND_ADD = "freeze_and_add"
    """Units stay where they are; the days of the freeze are added to the window."""


class Renewal(StrEnum):
    """How a schedule goes on after its window."""

    NONE = "none"
    BY_AGREEMENT = "by_agreement"
    AUTOMATIC = "automatic"
    """Unless a party has given notice in time."""


class AtEnd(StrEnum):
    """What happens to units that are still the manufacturer's when the window ends."""

    RETURNED = "returned"
    PURCHASED = "purchased"


_DAYS_OF_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Blackout(Frozen):
    """Days of every year on which no order is given, both included; it may run over the end of the year."""

    from_month: Annotated[int, number("Month of the first day.", "month", 1, 12), WHOLE]
    from_day: Annotated[int, number("The first day.", "day of the month", 1, 31), WHOLE]
    to_month: Annotated[int, number("Month of the last day.", "month", 1, 12), WHOLE]
    to_day: Annotated[
        int, number("The last day; 29 February is 28 February in other years.", "day of the month", 1, 31), WHOLE
    ]

    @model_validator(mode="after")
    def _days_exist(self) -> Blackout:
        found: list[Contradiction] = [
            (field, "terms.no_such_day", "There is no such day in any year.")
            for field, month, day in (
                ("from_day", self.from_month, self.from_day),
                ("to_day", self.to_month, self.to_day),
            )
            if day > _DAYS_OF_MONTH[month - 1]
        ]
        refuse(found)
        return self


class MinimumStep(Frozen):
    """From this many whole months after the schedule date, this share of the minimum to keep, rounded up to a unit."""

    after_months: Annotated[int, number("Whole months after the schedule date.", "months", 1, 360), WHOLE]
    percent_bp: Annotated[int, number("Share of the minimum to keep from then on.", "basis points", 0, 9_999), WHOLE]


def steps_out_of_order(steps: tuple[MinimumStep, ...]) -> list[Contradiction]:
    """A minimum to keep declines: each step is later and lower than the one before."""
    found: list[Contradiction] = []
    for index, (earlier, later) in enumerate(pairwise(steps), start=1):
        if later.after_months <= earlier.after_months:
            words = "Each step must be later than the last."
            found.append((f"minimum_steps.{index}.after_months", "terms.schedule_order", words))
        if later.percent_bp >= earlier.percent_bp:
            words = "The minimum to keep only declines: this must be lower than the step before."
            found.append((f"minimum_steps.{index}.percent_bp", "terms.not_declining", words))
    return found


class _Allowance(Frozen):
    period_months: Annotated[
        int, number("Length of a period; the first one starts on the schedule date.", "months", 1, 60), WHOLE
    ]
    carry_over_periods: Annotated[
        int, number("What was not used can still be used for so many periods; 0 = it lapses.", "periods", 0, 120), WHOLE
    ]


class AllowedUnits(_Allowance):
    """So many units per period may be used without asking."""

    kind: Literal["units"]
    units: Annotated[int, number("Units per period.", "units", 1, 1_000_000), WHOLE]


class AllowedShare(_Allowance):
    """A share of the units sold may be used per period without asking, rounded down to a unit."""

    kind: Literal["share_of_sold"]
    share_bp: Annotated[int, number("Share of the units sold, per period.", "basis points", 1, 10_000), WHOLE]


UseAllowance: TypeAlias = Annotated[AllowedUnits | AllowedShare, Field(discriminator="kind")]


class GradeAdjustment(Frozen):
    """A unit that comes back in this condition is paid with this share of its price."""

    grade: Annotated[Grade, Field(description="Condition on return.")]
    percent_bp: Annotated[int, number("Share of the price that is paid for it.", "basis points", 0, 10_000), WHOLE]
