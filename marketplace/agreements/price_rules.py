"""Price rules of a clause as frozen types, and what every type of terms is built from.

The docstrings and descriptions of these types are part of the released ``terms.schema.json``: do not reword them
under a released version.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError


def _whole(value: object) -> object:
    # Pydantic would take True for 1 and 10.0 for 10; a contract does not.
    if isinstance(value, bool | float):
        raise PydanticCustomError("int_type", "a whole number is needed")
    return value


def _exact(value: object) -> object:
    # A float has already lost the amount somebody meant.
    if isinstance(value, bool | float):
        raise PydanticCustomError("decimal_text", "an amount is needed as text")
    return value


def number(meaning: str, unit: str, low: int, high: int) -> FieldInfo:
    """A whole number of a contract: what it means, its unit, and both bounds."""
    info: FieldInfo = Field(description=meaning, ge=low, le=high, json_schema_extra={"unit": unit})
    return info


# Last in each annotation, so that the bounds stay on the integer and reach the JSON schema.
WHOLE = BeforeValidator(_whole)

Contradiction: TypeAlias = tuple[str, str, str]
"""Field path, stable code, words."""


class Frozen(BaseModel):
    """A value of a contract: never changed, no field beyond those named."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FixedPrice(Frozen):
    """The same amount per unit on every day of the window."""

    kind: Literal["fixed"]
    amount: Annotated[
        Decimal,
        Field(gt=0, max_digits=16, decimal_places=4),
        BeforeValidator(_exact),
        WithJsonSchema(
            {
                "type": "string",
                "pattern": r"^[0-9]{1,12}(\.[0-9]{1,4})?$",
                "description": "Price per unit, more than 0.",
                "unit": "currency of the sale",
            }
        ),
    ]


class PercentOfSale(Frozen):
    """A share of what the holder paid per unit."""

    kind: Literal["percent_of_sale"]
    percent_bp: Annotated[int, number("Share of the price the holder paid per unit.", "basis points", 1, 30_000), WHOLE]


class PricePoint(Frozen):
    """From this many whole months after the schedule date, this share of the price paid."""

    after_months: Annotated[int, number("Whole months after the schedule date.", "months", 0, 360), WHOLE]
    percent_bp: Annotated[int, number("Share of the price paid from then on.", "basis points", 1, 30_000), WHOLE]


class PriceSchedule(Frozen):
    """A share of the price paid that changes with time, in steps or along a straight line."""

    kind: Literal["schedule"]
    shape: Annotated[
        Literal["step", "linear"],
        Field(description="step: stays until the next point; linear: moves evenly, month by month, to the next point."),
    ]
    declining: Annotated[bool, Field(description="Declared to decline: every point must be lower than the one before.")]
    points: Annotated[
        tuple[PricePoint, ...],
        Field(min_length=2, max_length=24, description="In order of months, the first at 0 months."),
    ]

    @model_validator(mode="after")
    def _points_in_order(self) -> PriceSchedule:
        found: list[Contradiction] = []
        if self.points[0].after_months != 0:
            found.append(("points.0.after_months", "terms.schedule_start", "The first point must be at 0 months."))
        for index, (earlier, later) in enumerate(pairwise(self.points), start=1):
            if later.after_months <= earlier.after_months:
                found.append(
                    (f"points.{index}.after_months", "terms.schedule_order", "Each point must be later than the last.")
                )
            if self.declining and later.percent_bp >= earlier.percent_bp:
                found.append(
                    (
                        f"points.{index}.percent_bp",
                        "terms.not_declining",
                        "The price is declared to decline, so this must be lower than the point before.",
                    )
                )
        refuse(found)
        return self


Price: TypeAlias = Annotated[FixedPrice | PercentOfSale | PriceSchedule, Field(discriminator="kind")]


def refuse(found: Iterable[Contradiction]) -> None:
    """Raises all contradictions found, if any, as one validation error."""
    items = [list(item) for item in found]
    if items:
        raise PydanticCustomError("contradictions", "the terms contradict each other", {"items": items})
