"""The groups of terms that the clauses of the second library share, as frozen base types; ``terms_v2`` has the clauses.

Docstrings, descriptions and bounds of these types are part of ``terms.schema.json``: do not reword them under a released
version.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from marketplace.agreements import term_kinds as kinds
from marketplace.agreements.calendars import known_calendar
from marketplace.agreements.price_kinds import ONE_LINE, text
from marketplace.agreements.price_rules import WHOLE, Contradiction, Frozen, number, refuse
from marketplace.agreements.terms_v1 import MAX_UNITS, MAX_WINDOW_MONTHS, AppliesTo, NoResponse, Party, UseClass
from marketplace.kit.money import Rounding

_BP = "basis points"
_CARRIER_PAID_BY_BUYER = frozenset({"EXW", "FCA", "FAS", "FOB"})
_DELIVERED_AT_PLACE = frozenset({"DAP", "DPU", "DDP"})


class SharedTerms(Frozen):
    """What all clauses of the second library share: scope, window, clocks, use, return, logistics, title, remedies, end."""

    generation: ClassVar[Literal[2]] = 2
    answers: ClassVar[bool] = False
    title_kinds: ClassVar[frozenset[kinds.Title]] = frozenset({kinds.Title.SOLD, kinds.Title.RETAINED_UNTIL_PAID})
    title_term: ClassVar[str] = "This clause is for units that are sold; use title-kept for units on consignment."

    # Scope
    use_class: Annotated[UseClass, Field(description="What the holder takes the units for.")]
    scope: Annotated[kinds.Scope, Field(description="Which units may go back under the right.")]
    # The right
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
    minimum_steps: Annotated[
        tuple[kinds.MinimumStep, ...],
        Field(max_length=24, description="How the minimum to keep declines; none = it stays to the end."),
    ] = ()
    window_start_months: Annotated[
        int, number("The right opens this long after the schedule date.", "months", 0, MAX_WINDOW_MONTHS - 1), WHOLE
    ]
    window_end_months: Annotated[
        int, number("The right ends this long after the schedule date.", "months", 1, MAX_WINDOW_MONTHS), WHOLE
    ]
    partial_minimum: Annotated[
        int, number("Fewest units in one order, unless it takes all that can be had.", "units", 1, MAX_UNITS), WHOLE
    ] = 1
    partial_multiple: Annotated[
        int,
        number("Orders are for a multiple of this, unless they take all that can be had.", "units", 1, MAX_UNITS),
        WHOLE,
    ] = 1
    max_exercises: Annotated[
        int | None, number("Most orders per schedule; none = any number.", "orders", 1, 10_000), WHOLE
    ] = None
    # Clocks
    notice_hours_machine_down: Annotated[
        int, number("Machine down: hours from notice until the units must be shipped.", "hours", 1, 168), WHOLE
    ]
    notice_days_urgent: Annotated[
        int, number("Urgent: days from notice until the units must be shipped.", "days", 1, 60), WHOLE
    ]
    notice_days_stock: Annotated[
        int, number("Stock order: days from notice until the units must be shipped.", "days", 1, 180), WHOLE
    ]
    deliver_hours_machine_down: Annotated[
        int, number("Machine down: hours from notice until the units must have arrived.", "hours", 1, 336), WHOLE
    ]
    deliver_days_urgent: Annotated[
        int, number("Urgent: days from notice until the units must have arrived.", "days", 1, 120), WHOLE
    ]
    deliver_days_stock: Annotated[
        int, number("Stock order: days from notice until the units must have arrived.", "days", 1, 365), WHOLE
    ]
    day_count: Annotated[kinds.DayCount, Field(description="How days of orders, notices, inspection and cure count.")]
    holiday_calendar: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$",
            description="Holidays and working week that business days follow: a country such as US, or a part of it "
            "such as US-TX; none with calendar days.",
        ),
    ] = None
    cure_days: Annotated[
        int,
        number(
            "Days after a missed deadline in which it can be made good before remedies beyond delay.", "days", 0, 90
        ),
        WHOLE,
    ]
    rounding: Annotated[Rounding, Field(description="How computed amounts are rounded to the currency's minor unit.")]
    # Keeping, using, selling on, scrapping
    use_rule: Annotated[kinds.UseRule, Field(description="When units above the minimum may be used up or fitted.")]
    use_allowance: Annotated[
        kinds.UseAllowance | None, Field(description="What may be used per period without asking, if use is limited.")
    ] = None
    use_notice_days: Annotated[
        int, number("Days that the manufacturer has after a notice of use.", "days", 1, 120), WHOLE
    ]
    resale: Annotated[kinds.ResaleRule, Field(description="When units above the minimum may be sold on.")]
    resale_notice_days: Annotated[
        int,
        number("Days that the manufacturer has after an offer, or a request, before resale.", "days", 1, 180),
        WHOLE,
    ]
    scrap_rule: Annotated[kinds.ScrapRule, Field(description="When units above the minimum may be scrapped.")]
    scrap_notice_days: Annotated[
        int,
        number("Days that the manufacturer has after an offer, or a request, before scrapping.", "days", 1, 180),
        WHOLE,
    ]
    silence_on_notice: Annotated[
        kinds.NoticeSilence, Field(description="What no response to a notice or an offer means.")
    ]
    silence_on_consent: Annotated[
        kinds.ConsentSilence, Field(description="What no response to a request for consent means.")
    ]
    clearance_days: Annotated[
        int, number("Days in which the holder may act once cleared, before it must ask again.", "days", 1, 365), WHOLE
    ]
    report_within_days: Annotated[int, number("Use and moves are reported within.", "days", 1, 120), WHOLE]
    # Return
    return_grade: Annotated[kinds.Grade, Field(description="Worst condition in which a unit may come back.")]
    return_papers: Annotated[kinds.Papers, Field(description="Papers that come back with a unit.")]
    remaining_shelf_life_bp: Annotated[
        int,
        number("Least share of its shelf life that a unit must have left on return; 0 = none.", _BP, 0, 10_000),
        WHOLE,
    ] = 0
    grade_adjustments: Annotated[
        tuple[kinds.GradeAdjustment, ...],
        Field(
            max_length=6,
            description="Share of the price by condition on return; a condition that is not named counts as the next better "
            "one that is, and in full where there is none.",
        ),
    ] = ()
    reject_remedy: Annotated[kinds.RejectRemedy, Field(description="What happens to a rejected unit.")]
    inspection_days: Annotated[
        int, number("Days from receipt in which the manufacturer accepts or rejects.", "days", 1, 90), WHOLE
    ]
    # Logistics and storage
    incoterm: Annotated[kinds.Incoterm, Field(description="Incoterms 2020 rule for units that go back.")]
    incoterm_place: Annotated[str, text("Place that the Incoterms rule names."), ONE_LINE]
    storage_conditions: Annotated[kinds.StorageConditions, Field(description="How the units are stored.")]
    storage_fee_bp: Annotated[
        int, number("Paid a year for each unit of the minimum, as a share of its price paid.", _BP, 0, 5_000), WHOLE
    ] = 0
    # Payment
    payment_days: Annotated[int, number("Days from acceptance until payment is due.", "days", 1, 180), WHOLE]
    set_off: Annotated[bool, Field(description="Either party may set off what is undisputed.")]
    # Title
    title: Annotated[kinds.Title, Field(description="Who owns the units in the holder's hands.")]
    # Audit
    count_interval_months: Annotated[
        int, number("The holder counts the units every so many months; 0 = only when asked.", "months", 0, 60), WHOLE
    ]
    count_tolerance_bp: Annotated[
        int, number("A shortage within this share of the recorded units is no breach.", _BP, 0, 1_000), WHOLE
    ]
    # Remedies
    late_share_bp: Annotated[
        int,
        number("Paid for each period begun of late delivery, as a share of the value of the units.", _BP, 0, 1_000),
        WHOLE,
    ]
    late_period_days: Annotated[int, number("Length of such a period, in calendar days.", "days", 1, 31), WHOLE] = 7
    late_cap_bp: Annotated[
        int | None, number("Most that is paid for late delivery, as a share of their value.", _BP, 1, 10_000), WHOLE
    ] = None
    cover_purchase: Annotated[
        bool, Field(description="After default the manufacturer may buy elsewhere at the holder's cost.")
    ]
    cover_cap_bp: Annotated[
        int | None,
        number("Most that cover costs the holder per unit, as a share of the price paid.", _BP, 1, 30_000),
        WHOLE,
    ] = None
    breach_share_bp: Annotated[
        int,
        number(
            "Paid per unit missing from the minimum by the holder's act, as a share of the price paid.", _BP, 0, 30_000
        ),
        WHOLE,
    ]
    breach_cap_bp: Annotated[
        int | None,
        number(
            "Most that is paid for missing units, as a share of the price paid for the minimum to keep.", _BP, 1, 30_000
        ),
        WHOLE,
    ] = None
    # Loss and insolvency
    loss_bearer: Annotated[Party, Field(description="Who bears loss or damage before the risk passes on return.")]
    loss_compensation_bp: Annotated[
        int, number("Paid per unit lost out of the minimum, as a share of the price paid.", _BP, 0, 10_000), WHOLE
    ]
    insolvency: Annotated[kinds.Insolvency, Field(description="What an insolvency of the holder does to the window.")]
    # Compliance
    export_class: Annotated[
        str | None, text("Export control classification of the units; none = not controlled.", 40), ONE_LINE
    ] = None
    hazmat_un: Annotated[
        int | None, number("UN number of dangerous goods; none = no dangerous goods.", "UN number", 1, 9_999), WHOLE
    ] = None
    returned_goods_months: Annotated[
        int,
        number("Months from export in which units may return free of duty; 0 = no such relief.", "months", 0, 120),
        WHOLE,
    ] = 0
    # Renewal and end
    renewal: Annotated[kinds.Renewal, Field(description="How the schedule goes on after its window.")]
    renewal_months: Annotated[
        int, number("Months that one renewal adds; 0 = no renewal.", "months", 0, MAX_WINDOW_MONTHS), WHOLE
    ] = 0
    max_renewals: Annotated[int, number("Most renewals; 0 = no renewal.", "renewals", 0, 30), WHOLE] = 0
    non_renewal_days: Annotated[
        int, number("Days before the end by which renewal is agreed or notice against it given.", "days", 1, 365), WHOLE
    ]
    survival_months: Annotated[
        int, number("Months after the end in which duties to report, count and pay go on.", "months", 0, 120), WHOLE
    ]

    @property
    def use_free_above_minimum(self) -> bool:
        """Whether use above the minimum needs no notice, at least within an allowance."""
        return self.use_rule in (kinds.UseRule.FREE, kinds.UseRule.WITHIN_ALLOWANCE)

    @property
    def freight_payer(self) -> Party:
        """Who pays the main carriage of units that go back, as the Incoterms rule has it."""
        return Party.MANUFACTURER if self.incoterm.value in _CARRIER_PAID_BY_BUYER else Party.HOLDER

    @property
    def risk_passes_on_arrival(self) -> bool:
        """Whether the risk of units that go back passes at the place of destination rather than with the carrier."""
        return self.incoterm.value in _DELIVERED_AT_PLACE

    @property
    def tolls_insolvency(self) -> bool:
        """Whether the days of an insolvency are added to the window."""
        return self.insolvency is kinds.Insolvency.FREEZE_AND_ADD

    @property
    def longest_renewals(self) -> int:
        """Months by which the window can come to last longer without either party doing anything."""
        return self.renewal_months * self.max_renewals if self.renewal is kinds.Renewal.AUTOMATIC else 0

    def contradictions(self) -> list[Contradiction]:
        """Terms that are fine one by one but not together."""
        return [
            *kinds.steps_out_of_order(self.minimum_steps),
            *self._window_and_size(),
            *self._clocks(),
            *self._use(),
            *self._return(),
            *self._caps(),
            *self._end(),
        ]

    def _window_and_size(self) -> list[Contradiction]:
        found: list[Contradiction] = []
        if self.window_end_months <= self.window_start_months:
            found.append(("window_end_months", "terms.window", "The window must end after it starts."))
        if self.minimum_steps and not self.minimum_to_keep:
            words = "There is no minimum to keep that could decline."
            found.append(("minimum_steps", "terms.empty_steps", words))
        if self.partial_minimum % self.partial_multiple:
            words = f"The fewest units in one order must be a multiple of {self.partial_multiple}."
            found.append(("partial_minimum", "terms.multiple", words))
        return found

    def _clocks(self) -> list[Contradiction]:
        found = _in_order(self, ("notice", "deliver"), "Units must not have to arrive before they ship")
        if (self.day_count is kinds.DayCount.BUSINESS) != (self.holiday_calendar is not None):
            words = (
                "Business days need a holiday calendar, such as US or DE-BY."
                if self.holiday_calendar is None
                else "Calendar days need no holiday calendar: leave it out, or count business days."
            )
            found.append(("holiday_calendar", "terms.calendar", words))
        elif self.holiday_calendar is not None and not known_calendar(self.holiday_calendar):
            words = f"There is no holiday calendar {self.holiday_calendar}. Name a country such as US, or DE-BY."
            found.append(("holiday_calendar", "terms.holiday_calendar", words))
        return found

    def _use(self) -> list[Contradiction]:
        found: list[Contradiction] = []
        if (self.use_rule is kinds.UseRule.WITHIN_ALLOWANCE) != (self.use_allowance is not None):
            words = "An allowance goes with the rule 'within allowance', and only with it."
            found.append(("use_allowance", "terms.allowance", words))
        return found

    def _return(self) -> list[Contradiction]:
        found: list[Contradiction] = []
        grades = list(kinds.Grade)
        named = [adjustment.grade for adjustment in self.grade_adjustments]
        for index, adjustment in enumerate(self.grade_adjustments):
            if adjustment.grade in named[:index]:
                found.append((f"grade_adjustments.{index}.grade", "terms.grade_twice", "State each condition once."))
        by_grade = sorted(self.grade_adjustments, key=lambda a: grades.index(a.grade))
        if any(later.percent_bp > earlier.percent_bp for earlier, later in pairwise(by_grade)):
            words = "A unit in worse condition must not fetch more."
            found.append(("grade_adjustments", "terms.grade_order", words))
        if self.title not in self.title_kinds:
            found.append(("title", "terms.title", self.title_term))
        return found

    def _caps(self) -> list[Contradiction]:
        """Every damage has a cap."""
        stated = (
            ("late_cap_bp", self.late_share_bp > 0, self.late_cap_bp, "late delivery"),
            ("cover_cap_bp", self.cover_purchase, self.cover_cap_bp, "cover"),
            ("breach_cap_bp", self.breach_share_bp > 0, self.breach_cap_bp, "missing units"),
        )
        found: list[Contradiction] = []
        for field, owed, cap, what in stated:
            if owed and cap is None:
                found.append(
                    (field, "terms.no_cap", f"Every damage has a cap: state the most that is paid for {what}.")
                )
            if not owed and cap is not None:
                found.append(
                    (field, "terms.idle_cap", f"Nothing is paid for {what}: leave the cap out, or state a share.")
                )
        if self.late_cap_bp is not None and 0 < self.late_cap_bp < self.late_share_bp:
            words = "The cap must not be less than what is paid for one period."
            found.append(("late_cap_bp", "terms.cap_below_share", words))
        return found

    def _end(self) -> list[Contradiction]:
        found: list[Contradiction] = []
        renews = self.renewal is not kinds.Renewal.NONE
        if renews and not (self.renewal_months and self.max_renewals):
            words = "State how long a renewal is and how often there can be one."
            found.append(("renewal_months" if not self.renewal_months else "max_renewals", "terms.renewal", words))
        if not renews and (self.renewal_months or self.max_renewals):
            words = "There is no renewal: leave its length and number out."
            found.append(("renewal", "terms.renewal", words))
        if self.window_end_months + self.renewal_months * self.max_renewals > MAX_WINDOW_MONTHS:
            words = f"With its renewals the window would last longer than {MAX_WINDOW_MONTHS} months."
            found.append(("max_renewals", "terms.renewal_length", words))
        return found

    @model_validator(mode="after")
    def _consistent(self) -> SharedTerms:
        refuse(self.contradictions())
        return self


def _in_order(terms: SharedTerms, steps: tuple[str, str], words: str) -> list[Contradiction]:
    """For each urgency, the first step must not be due after the second."""
    first, then = steps
    return [
        (f"{then}_{which}", "terms.clock_order", f"{words}: at least {first}_{which}.")
        for which in ("hours_machine_down", "days_urgent", "days_stock")
        if getattr(terms, f"{first}_{which}") > getattr(terms, f"{then}_{which}")
    ]


class OrderTerms(SharedTerms):
    """What buy-back/v2 and access-back/v2 share beyond that: a right to order that the holder answers."""

    answers: ClassVar[bool] = True

    applies_to: Annotated[AppliesTo, Field(description="Which of the remaining units the right reaches.")]
    holder_reserve: Annotated[
        int, number("Units per schedule that the holder never has to give up.", "units", 0, MAX_UNITS), WHOLE
    ] = 0
    blackouts: Annotated[
        tuple[kinds.Blackout, ...], Field(max_length=6, description="Days of every year on which no order is given.")
    ] = ()
    blackout_machine_down: Annotated[
        bool, Field(description="Machine down orders may be given in a blackout all the same.")
    ] = True
    max_units: Annotated[
        int | None, number("Most units ordered per period; none = any number.", "units", 1, MAX_UNITS), WHOLE
    ] = None
    max_units_months: Annotated[
        int, number("Length of such a period; the first one starts on the schedule date.", "months", 1, 60), WHOLE
    ] = 12
    acknowledge_hours_machine_down: Annotated[
        int, number("Machine down: hours from notice to acknowledge the order.", "hours", 1, 168), WHOLE
    ]
    acknowledge_days_urgent: Annotated[
        int, number("Urgent: days from notice to acknowledge the order.", "days", 1, 60), WHOLE
    ]
    acknowledge_days_stock: Annotated[
        int, number("Stock order: days from notice to acknowledge the order.", "days", 1, 180), WHOLE
    ]
    respond_hours_machine_down: Annotated[
        int, number("Machine down: hours from notice to accept or refuse.", "hours", 1, 168), WHOLE
    ]
    respond_days_urgent: Annotated[int, number("Urgent: days from notice to accept or refuse.", "days", 1, 60), WHOLE]
    respond_days_stock: Annotated[
        int, number("Stock order: days from notice to accept or refuse.", "days", 1, 180), WHOLE
    ]
    no_response: Annotated[NoResponse, Field(description="What no response to an order by the deadline means.")]
    option_premium_bp: Annotated[
        int,
        number("Paid once for the right, with the schedule, as a share of the price paid.", _BP, 0, 10_000),
        WHOLE,
    ] = 0
    substitution: Annotated[
        kinds.Substitution, Field(description="Which other part may stand in for the one ordered or drawn.")
    ]
    substitution_direction: Annotated[kinds.Direction, Field(description="Which way another part may stand in.")] = (
        kinds.Direction.NEWER_FOR_OLDER
    )
    runs_with_the_unit: Annotated[
        bool, Field(description="The right stays on a unit whoever owns it; a buyer must take it over in writing.")
    ]

    def contradictions(self) -> list[Contradiction]:
        """Also: no empty right, the clock in order, and a resale that fits whether the right stays on the unit."""
        found = super().contradictions()
        found += empty_right(self.applies_to, self.minimum_to_keep, self.holder_reserve)
        found += _in_order(
            self, ("acknowledge", "respond"), "An order must not have to be answered before it is acknowledged"
        )
        found += _in_order(self, ("respond", "notice"), "Units must not have to ship before the response")
        found += resale_fits(self.resale, self.runs_with_the_unit)
        if self.scope is kinds.Scope.INTERCHANGE and self.substitution is kinds.Substitution.NONE:
            words = "The right reaches interchangeable parts, so say which part may stand in for another."
            found.append(("substitution", "terms.substitution", words))
        return found


def empty_right(applies_to: AppliesTo, keep: int, reserve: int) -> list[Contradiction]:
    if applies_to is not AppliesTo.FLOOR or keep > reserve:
        return []
    if keep:
        words = "The holder's reserve must be smaller than the minimum to keep, or no unit could be ordered back."
        return [("holder_reserve", "terms.empty_right", words)]
    words = "The right reaches only the minimum to keep, so the minimum must be at least 1."
    return [("minimum_to_keep", "terms.empty_right", words)]


def resale_fits(resale: kinds.ResaleRule, runs: bool) -> list[Contradiction]:
    if resale is kinds.ResaleRule.ACCESSION and not runs:
        words = "A buyer takes the clause over only if the right stays on the unit."
        return [("runs_with_the_unit", "terms.accession", words)]
    if resale is kinds.ResaleRule.FREE and runs:
        words = "The right stays on the unit, so a buyer must take the clause over: choose accession or consent."
        return [("resale", "terms.accession", words)]
    return []


class UnansweredTerms(SharedTerms):
    """What first-refusal/v1 and title-kept/v1 share: an order under them needs no answer, so nothing is stated about one."""

    acknowledge_hours_machine_down: ClassVar[int | None] = None
    acknowledge_days_urgent: ClassVar[int | None] = None
    acknowledge_days_stock: ClassVar[int | None] = None
    blackouts: ClassVar[tuple[kinds.Blackout, ...]] = ()
    blackout_machine_down: ClassVar[bool] = True
    max_units: ClassVar[int | None] = None
    max_units_months: ClassVar[int] = 12
    holder_reserve: ClassVar[int] = 0
    no_response: ClassVar[NoResponse] = NoResponse.ACCEPTED
    respond_hours_machine_down: ClassVar[int] = 0
    respond_days_urgent: ClassVar[int] = 0
    respond_days_stock: ClassVar[int] = 0
