"""Price rules of the second library as frozen types: those of the first, and prices that follow something outside the terms
(an index, a cost, a list, a market, an offer).

Docstrings and descriptions of these types are part of ``terms.schema.json``: do not reword them under a released version.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from marketplace.agreements.price_rules import WHOLE, FixedPrice, Frozen, PercentOfSale, PriceSchedule, number, refuse

PERIOD_PATTERN = r"^[0-9]{4}-(0[1-9]|1[0-2])$"


def _named(value: str | None) -> str | None:
    if value is not None and (not value.isprintable() or value != value.strip()):
        raise PydanticCustomError("text", "write it on one line, without blanks around it")
    return value


# Last in each annotation: the bounds stay on the text and reach the JSON schema.
ONE_LINE = AfterValidator(_named)


def text(meaning: str, longest: int = 120) -> FieldInfo:
    """A name in a contract: what it names. On one line, not empty."""
    info: FieldInfo = Field(description=meaning, min_length=1, max_length=longest)
    return info


class NoValue(StrEnum):
    """What stands in where an index has no value."""

    LAST_KNOWN = "last_known"
    """Its newest earlier value."""
    UNCHANGED = "unchanged"
    """Its value of the base period: the price does not move."""


class CostBasis(StrEnum):
    """What counts as the cost of a unit."""

    PRICE_PAID = "price_paid"
    STATED_COST = "stated_cost"
    """The cost that the holder states with evidence, at most the price paid."""


class IndexedPrice(Frozen):
    """A share of the price paid that moves with a published index."""

    kind: Literal["indexed"]
    percent_bp: Annotated[
        int, number("Share of the price paid, before the index moves it.", "basis points", 1, 30_000), WHOLE
    ]
    series: Annotated[str, text("Name of the index, with who publishes it."), ONE_LINE]
    base_period: Annotated[
        str,
        Field(
            description="Month from which the index is counted, such as 2026-11.",
            pattern=PERIOD_PATTERN,
            json_schema_extra={"unit": "month"},
        ),
    ]
    lag_months: Annotated[
        int, number("The value is that of the month so many before the month of notice.", "months", 0, 12), WHOLE
    ]
    index_floor_bp: Annotated[
        int, number("The index counts as at least this share of its base.", "basis points", 1, 10_000), WHOLE
    ]
    index_cap_bp: Annotated[
        int, number("The index counts as at most this share of its base.", "basis points", 10_000, 50_000), WHOLE
    ]
    no_value: Annotated[NoValue, Field(description="What stands in for a value that is not published in time.")]
    discontinued: Annotated[NoValue, Field(description="What stands in once the index is no longer published.")]


class PercentOfList(Frozen):
    """A share of the maker's list price on the day of notice; off the list, of the last one published."""

    kind: Literal["percent_of_list"]
    percent_bp: Annotated[int, number("Share of the list price.", "basis points", 1, 30_000), WHOLE]
    superseded_bp: Annotated[
        int,
        number("Share of the list price once another part has superseded this one.", "basis points", 1, 30_000),
        WHOLE,
    ]


class CostPlus(Frozen):
    """What the unit cost the holder and a share on top, with storage and the freight in."""

    kind: Literal["cost_plus"]
    basis: Annotated[CostBasis, Field(description="What counts as the cost.")]
    markup_bp: Annotated[int, number("Added to the cost.", "basis points", 0, 10_000), WHOLE]
    storage_month_bp: Annotated[
        int, number("Added for storage, per whole month since the schedule date.", "basis points", 0, 500), WHOLE
    ]
    storage_cap_bp: Annotated[int, number("Most that is added for storage.", "basis points", 0, 10_000), WHOLE]
    inbound_freight: Annotated[
        bool, Field(description="The freight that the holder paid to receive the unit is added, as evidenced.")
    ]

    @model_validator(mode="after")
    def _storage_has_a_cap(self) -> CostPlus:
        if self.storage_month_bp and not self.storage_cap_bp:
            words = "Storage is added every month, so state the most that is added."
            refuse([("storage_cap_bp", "terms.no_cap", words)])
        return self


class MarketMinus(Frozen):
    """What a unit is worth on the market, less a discount."""

    kind: Literal["market_minus"]
    source: Annotated[str, text("Where the market value is taken from."), ONE_LINE]
    discount_bp: Annotated[int, number("Taken off the market value.", "basis points", 0, 9_999), WHOLE]
    max_age_days: Annotated[int, number("An older market value does not count.", "days", 1, 730), WHOLE]
    fallback_bp: Annotated[
        int,
        number("Share of the price paid, where there is no market value that counts.", "basis points", 1, 30_000),
        WHOLE,
    ]


class MatchThirdParty(Frozen):
    """What somebody else has offered the holder in good faith and in writing."""

    kind: Literal["match_third_party"]
    discount_bp: Annotated[int, number("Taken off the offer.", "basis points", 0, 9_999), WHOLE]
    no_offer_bp: Annotated[
        int,
        number("Share of the price paid, where units are to be used or scrapped and nobody offers.", "basis points", 1, 30_000),
        WHOLE,
    ]  # fmt: skip


AnyPrice: TypeAlias = Annotated[
    FixedPrice | PercentOfSale | PriceSchedule | IndexedPrice | PercentOfList | CostPlus | MarketMinus | MatchThirdParty,
    Field(discriminator="kind"),
]  # fmt: skip
PRICE_KINDS = (
    "fixed", "percent_of_sale", "schedule", "indexed", "percent_of_list", "cost_plus", "market_minus",
    "match_third_party",
)  # fmt: skip
