"""The terms of the released first versions, buy-back/v1 and access-back/v1, as frozen types.

Their docstrings, descriptions and bounds are part of the released schemas, to the byte: do not touch them. What later
versions state and these do not is a class variable here, outside of the schema, so that one evaluator reads both.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from marketplace.agreements.price_rules import WHOLE, Contradiction, Frozen, Price, number, refuse
from marketplace.agreements.term_kinds import Blackout, DayCount, MinimumStep
from marketplace.kit.money import Rounding


class Urgency(StrEnum):
    """How badly a unit is needed; each has its own clock."""

    MACHINE_DOWN = "machine_down"
    URGENT = "urgent"
    STOCK = "stock"


class AppliesTo(StrEnum):
    """Which of the units that the holder still has the right reaches."""

    ALL = "all"
    FREE = "free"
    """Only units above the minimum to keep."""
    FLOOR = "floor"
    """Only the minimum to keep."""


class NoResponse(StrEnum):
    """What no response by the deadline means."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


class UseClass(StrEnum):
    """What the holder bought the units for."""

    INTERMEDIATE_GOOD = "intermediate_good"
    """Used up in the holder's own production."""
    NON_CAPITAL_SPARE = "non_capital_spare"
    """Fitted into a machine as a spare."""
    EITHER = "either"


class Resale(StrEnum):
    """Whether the holder may sell units on."""

    NOT_ALLOWED = "not_allowed"
    CONSENT = "consent"


class Party(StrEnum):
    """One of the two sides of an agreement."""

    MANUFACTURER = "manufacturer"
    HOLDER = "holder"


MAX_UNITS = 1_000_000
MAX_WINDOW_MONTHS = 360


class CommonTerms(Frozen):
    """What buy-back/v1 and access-back/v1 share: reach, window, clocks, use, delivery, loss."""

    generation: ClassVar[Literal[1]] = 1
    answers: ClassVar[bool] = True
    """The holder accepts or refuses an order."""
    day_count: ClassVar[DayCount] = DayCount.CALENDAR
    holiday_calendar: ClassVar[str | None] = None
    blackouts: ClassVar[tuple[Blackout, ...]] = ()
    minimum_steps: ClassVar[tuple[MinimumStep, ...]] = ()
    max_units: ClassVar[int | None] = None
    max_units_months: ClassVar[int] = 12
    acknowledge_hours_machine_down: ClassVar[int | None] = None
    acknowledge_days_urgent: ClassVar[int | None] = None
    acknowledge_days_stock: ClassVar[int | None] = None
    deliver_hours_machine_down: ClassVar[int | None] = None
    deliver_days_urgent: ClassVar[int | None] = None
    deliver_days_stock: ClassVar[int | None] = None
    blackout_machine_down: ClassVar[bool] = True
    renewal_months: ClassVar[int] = 0
    max_renewals: ClassVar[int] = 0
    returned_goods_months: ClassVar[int] = 0
    export_class: ClassVar[str | None] = None
    tolls_insolvency: ClassVar[bool] = False
    longest_renewals: ClassVar[int] = 0

    use_class: Annotated[UseClass, Field(description="What the holder buys the units for.")]
    applies_to: Annotated[AppliesTo, Field(description="Which of the remaining units the right reaches.")]
    minimum_to_keep: Annotated[
        int,
        number(
            "Units per schedule that the holder keeps available; a schedule may state another number.",
            "units",
            0,
            MAX_UNITS,
        ),
        WHOLE,
    ]
    holder_reserve: Annotated[
        int, number("Units per schedule that the holder never has to give up.", "units", 0, MAX_UNITS), WHOLE
    ] = 0
    window_start_months: Annotated[
        int, number("The right opens this long after the schedule date.", "months", 0, MAX_WINDOW_MONTHS - 1), WHOLE
    ]
    window_end_months: Annotated[
        int, number("The right ends this long after the schedule date.", "months", 1, MAX_WINDOW_MONTHS), WHOLE
    ]
    partial_minimum: Annotated[
        int,
        number("Fewest units in one order, unless it takes all that can be called.", "units", 1, MAX_UNITS),
        WHOLE,
    ] = 1
    partial_multiple: Annotated[
        int,
        number("Orders are for a multiple of this, unless they take all that can be called.", "units", 1, MAX_UNITS),
        WHOLE,
    ] = 1
    max_exercises: Annotated[
        Annotated[int, Field(ge=1, le=10_000), WHOLE] | None,
        Field(description="Most orders per schedule; none = any number.", json_schema_extra={"unit": "orders"}),
    ] = None
    notice_hours_machine_down: Annotated[
        int, number("Machine down: hours from notice until the units must be shipped.", "hours", 1, 168), WHOLE
    ]
    notice_days_urgent: Annotated[
        int, number("Urgent: calendar days from notice until the units must be shipped.", "days", 1, 60), WHOLE
    ]
    notice_days_stock: Annotated[
        int, number("Stock order: calendar days from notice until the units must be shipped.", "days", 1, 180), WHOLE
    ]
    respond_hours_machine_down: Annotated[
        int, number("Machine down: hours from notice to accept or refuse.", "hours", 1, 168), WHOLE
    ]
    respond_days_urgent: Annotated[
        int, number("Urgent: calendar days from notice to accept or refuse.", "days", 1, 60), WHOLE
    ]
    respond_days_stock: Annotated[
        int, number("Stock order: calendar days from notice to accept or refuse.", "days", 1, 180), WHOLE
    ]
    no_response: Annotated[NoResponse, Field(description="What no response by the deadline means.")]
    rounding: Annotated[Rounding, Field(description="How computed prices are rounded to the currency's minor unit.")]
    use_free_above_minimum: Annotated[
        bool, Field(description="Units above the minimum may be used without asking; otherwise after notice.")
    ]
    use_notice_days: Annotated[
        int,
        number("Where use needs notice: days the manufacturer has to order the units instead.", "days", 1, 120),
        WHOLE,
    ]
    clearance_days: Annotated[
        int,
        number("After a notice has run, days in which the holder may act before it lapses.", "days", 1, 365),
        WHOLE,
    ]
    report_within_days: Annotated[int, number("Use and moves are reported within.", "days", 1, 120), WHOLE]
    resale: Annotated[Resale, Field(description="Whether the holder may sell units on.")]
    scrap_notice_days: Annotated[
        int, number("Before scrapping, the units are offered to the manufacturer for.", "days", 1, 180), WHOLE
    ]
    runs_with_the_unit: Annotated[
        bool, Field(description="The right stays on a unit whoever owns it; a buyer must take it over in writing.")
    ]
    freight_payer: Annotated[Party, Field(description="Who pays the freight of units that go back.")]
    inspection_days: Annotated[
        int, number("Days from receipt in which the manufacturer accepts or rejects.", "days", 1, 90), WHOLE
    ]
    payment_days: Annotated[int, number("Days from acceptance until payment is due.", "days", 1, 180), WHOLE]
    loss_bearer: Annotated[Party, Field(description="Who bears loss or damage before the carrier has the units.")]
    loss_compensation_bp: Annotated[
        int,
        number(
            "Paid per unit lost out of the minimum to keep, as a share of the price the holder paid.",
            "basis points",
            0,
            10_000,
        ),
        WHOLE,
    ]

    def contradictions(self) -> list[Contradiction]:
        """Terms that are fine one by one but not together."""
        found: list[Contradiction] = []
        if self.window_end_months <= self.window_start_months:
            found.append(("window_end_months", "terms.window", "The window must end after it starts."))
        if self.applies_to is AppliesTo.FLOOR and self.minimum_to_keep == 0:
            found.append(
                (
                    "minimum_to_keep",
                    "terms.empty_right",
                    "The right reaches only the minimum to keep, so the minimum must be at least 1.",
                )
            )
        if self.applies_to is AppliesTo.FLOOR and 0 < self.minimum_to_keep <= self.holder_reserve:
            found.append(
                (
                    "holder_reserve",
                    "terms.empty_right",
                    "The holder's reserve must be smaller than the minimum to keep, or no unit could be ordered back.",
                )
            )
        if self.partial_minimum % self.partial_multiple:
            found.append(
                (
                    "partial_minimum",
                    "terms.multiple",
                    f"The fewest units in one order must be a multiple of {self.partial_multiple}.",
                )
            )
        for respond, notice in (
            ("respond_hours_machine_down", "notice_hours_machine_down"),
            ("respond_days_urgent", "notice_days_urgent"),
            ("respond_days_stock", "notice_days_stock"),
        ):
            if getattr(self, respond) > getattr(self, notice):
                found.append(
                    (respond, "terms.response_after_shipping", f"The response must not be due later than {notice}.")
                )
        return found

    @model_validator(mode="after")
    def _consistent(self) -> CommonTerms:
        refuse(self.contradictions())
        return self


class BuyBackV1(CommonTerms):
    """buy-back/v1: the manufacturer may buy units back at a stated price."""

    clause: Literal["buy-back"] = "buy-back"
    version: Literal[1] = 1
    price: Annotated[Price, Field(description="Price per unit that goes back.")]
    handling_bp: Annotated[
        int, number("Added to the price for the holder's handling.", "basis points", 0, 5_000), WHOLE
    ] = 0
    price_floor_bp: Annotated[
        Annotated[int, Field(ge=1, le=30_000), WHOLE] | None,
        Field(
            description="The price including handling is at least this share of the price paid; none = no floor.",
            json_schema_extra={"unit": "basis points"},
        ),
    ] = None
    price_cap_bp: Annotated[
        Annotated[int, Field(ge=1, le=50_000), WHOLE] | None,
        Field(
            description="The price including handling is at most this share of the price paid; none = no cap.",
            json_schema_extra={"unit": "basis points"},
        ),
    ] = None

    def contradictions(self) -> list[Contradiction]:
        """Also: a floor must not lie above the cap."""
        found = super().contradictions()
        if (
            self.price_floor_bp is not None
            and self.price_cap_bp is not None
            and self.price_floor_bp > self.price_cap_bp
        ):
            found.append(
                ("price_floor_bp", "terms.floor_above_cap", "The price floor must not lie above the price cap.")
            )
        return found


class AccessBackV1(CommonTerms):
    """access-back/v1: the manufacturer may draw units and replaces them in kind, or else buys them at list."""

    clause: Literal["access-back"] = "access-back"
    version: Literal[1] = 1
    draw_fee_bp: Annotated[
        int, number("Fee per unit drawn, as a share of the price the holder paid.", "basis points", 0, 5_000), WHOLE
    ] = 0
    replace_days: Annotated[
        int, number("Days from receipt in which the manufacturer sends an equal unit.", "days", 1, 730), WHOLE
    ]
    purchase_percent_bp: Annotated[
        int,
        number("A unit not replaced in time is bought at this share of the list price.", "basis points", 1, 30_000),
        WHOLE,
    ] = 10_000
