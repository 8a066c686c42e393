"""The terms of each clause version as frozen types: the blanks that a signed agreement fills in.

One class per released clause version. Its JSON schema is the clause's ``terms.schema.json`` and every field is
a blank in its ``clause.md``. Rates are basis points (100 = 1 %), durations carry their unit in the name,
quantities are whole units, and money is in the currency of the sale. Docstrings and descriptions of these types are
part of the released schema: do not reword them under a released version.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from marketplace.agreements.price_rules import WHOLE, Contradiction, Frozen, Price, number, refuse
from marketplace.kit.errors import FieldError, invalid, invalid_fields
from marketplace.kit.money import Rounding

ClauseName = Literal["buy-back", "access-back"]
"""The clauses that there are: what lists can be filtered by."""


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


Terms: TypeAlias = BuyBackV1 | AccessBackV1

TERMS_TYPES: Mapping[tuple[str, int], type[BuyBackV1 | AccessBackV1]] = {
    ("buy-back", 1): BuyBackV1,
    ("access-back", 1): AccessBackV1,
}
"""Every clause version the program can evaluate."""


def parse_terms(clause: str, version: int, raw: Mapping[str, Any]) -> Terms:
    """The typed terms of one clause version from JSON values or form texts.

    An empty text counts as not filled in. Raises ``terms.invalid`` naming every field that is wrong, or
    ``terms.unknown_clause``.
    """
    kind = TERMS_TYPES.get((clause, version))
    if kind is None:
        known = ", ".join(f"{name}/v{number}" for name, number in TERMS_TYPES)
        raise invalid(
            "terms.unknown_clause", f"There is no clause {clause}/v{version}. Known: {known}.", field="clause"
        )
    filled = {name: value for name, value in raw.items() if value != ""}
    filled.setdefault("clause", clause)
    filled.setdefault("version", version)
    try:
        return kind.model_validate(filled)
    except ValidationError as error:
        fields = tuple(found for detail in error.errors() for found in _in_words(detail, f"{clause}/v{version}"))
        count = "One term is" if len(fields) == 1 else f"{len(fields)} terms are"
        message = f"{count} not right: " + " ".join(f"{f.field}: {f.message}" for f in fields)
        raise invalid_fields("terms.invalid", message, fields) from None


def dump_terms(terms: Terms) -> dict[str, Any]:
    """The terms in JSON types; ``parse_terms`` of it gives equal terms."""
    return terms.model_dump(mode="json")


def terms_schema(clause: str, version: int) -> dict[str, Any]:
    """The JSON schema of a clause version's terms: what ``terms.schema.json`` must say."""
    return TERMS_TYPES[clause, version].model_json_schema()


def _in_words(detail: ErrorDetails, clause: str) -> list[FieldError]:
    # The discriminator shows up as a step in the path ("price.fixed.amount"); people know "price.amount".
    path = ".".join(
        str(step)
        for index, step in enumerate(detail["loc"])
        if not (index == 1 and detail["loc"][0] == "price" and step in {"fixed", "percent_of_sale", "schedule"})
    )
    context = detail.get("ctx", {})
    if detail["type"] == "contradictions":
        prefix = f"{path}." if path else ""
        return [FieldError(prefix + field, code, words) for field, code, words in context["items"]]
    words = {
        "missing": "This term is missing.",
        "extra_forbidden": f"{clause} has no such term.",
        "greater_than_equal": f"Must be at least {context.get('ge')}.",
        "greater_than": f"Must be more than {context.get('gt')}.",
        "less_than_equal": f"Must be at most {context.get('le')}.",
        "int_type": "Must be a whole number.",
        "int_parsing": "Must be a whole number.",
        "decimal_text": 'Write the amount as text, such as "12.50".',
        "decimal_parsing": "Must be an amount such as 12.50.",
        "decimal_type": "Must be an amount such as 12.50.",
        "bool_parsing": "Must be true or false.",
        "bool_type": "Must be true or false.",
        "enum": f"Must be one of {context.get('expected')}.",
        "literal_error": f"Must be {context.get('expected')}.",
        "union_tag_invalid": f"Must be one of {context.get('expected_tags')}.",
        "union_tag_not_found": "Say which kind of price it is: fixed, percent_of_sale or schedule.",
        "too_short": f"Needs at least {context.get('min_length')} points.",
        "too_long": f"At most {context.get('max_length')} points.",
    }.get(detail["type"], detail["msg"].rstrip(".") + ".")
    return [FieldError(path, f"terms.{detail['type']}", words)]
