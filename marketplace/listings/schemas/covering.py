"""On the wire: covering a list at the least cost."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.kit.wire import BodyIn
from marketplace.listings.queries import CoveredList, Need
from marketplace.parts.numbers import MAX_NUMBERS, Asked, normalise


class NeedIn(BodyIn):
    """A number and how many."""

    number: str = Field(min_length=1, max_length=80)
    quantity: int = Field(default=1, ge=1, le=1_000_000)


class CoverIn(BodyIn):
    """What to cover, from offers in one currency."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"currency": "USD", "lines": [{"number": "8980-12", "quantity": 40}]}]}
    )
    lines: list[NeedIn] = Field(min_length=1, max_length=MAX_NUMBERS)
    currency: str = Field(pattern="^[A-Z]{3}$")

    def needs(self) -> list[Need]:
        """As the search takes it; a number that stands twice is asked for once, for both."""
        found: dict[str, Need] = {}
        for line in self.lines:
            norm = normalise(line.number)
            before = found[norm].quantity if norm in found else 0
            found[norm] = Need(Asked(line.number, norm), before + line.quantity)
        return list(found.values())


class CoverLineOut(BaseModel):
    """So many of an offer, at the price that you pay: as an order takes it."""

    model_config = ConfigDict(from_attributes=True)
    listing_id: UUID
    release_id: UUID
    quantity: int
    unit_price: Decimal


class CoveredOut(BaseModel):
    """What covers one line. ``lacking``: so many are not on offer; ``beyond``: so many more than asked for, since the cheapest packages
    are whole."""

    number: str
    quantity: int
    part_id: UUID | None = Field(
        description="Null where no part, or parts of several makers, have exactly this number."
    )
    lines: list[CoverLineOut]
    lacking: int
    beyond: int
    like: list[str] = Field(description="Similar numbers, where none is exactly this.")
    makers: list[str]
    other_currencies: list[str] = Field(description="Currencies in which more of it is on offer.")


class CoverOut(BaseModel):
    """The list covered. ``least``: no cover costs less; where it is less than ``total``, that much at most could be saved."""

    lines: list[CoveredOut]
    total: Decimal
    least: Decimal
    currency: str

    @classmethod
    def of(cls, found: CoveredList) -> CoverOut:
        """The wire form."""
        return cls(
            lines=[
                CoveredOut(
                    number=c.need.asked.written, quantity=c.need.quantity, part_id=c.part.id if c.part else None,
                    lines=[CoverLineOut.model_validate(x) for x in c.cover.lines], lacking=c.cover.lacking, beyond=c.cover.beyond,
                    like=list(c.like), makers=list(c.makers), other_currencies=list(c.elsewhere),
                )
                for c in found.lines
            ],
            total=found.total.amount, least=found.least.amount, currency=found.total.currency,
        )  # fmt: skip
