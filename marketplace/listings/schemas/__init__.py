"""Releases and listings on the wire."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.agreements.schemas import BooksOut, FindingOut, NamedClauseIn, NamedClauseOut
from marketplace.kit.wire import EXAMPLE_ID, BodyIn
from marketplace.ledger.kinds import Condition

UseClass = Literal["intermediate_good", "non_capital_spare"]
ReleaseStatus = Literal["draft", "published", "closed"]


class ReleaseIn(BodyIn):
    """A draft surplus posting: a clause version with its terms, a use, an audience; further clauses beside it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "title": "Pumps of the 300 series",
                    "clause": "buy-back",
                    "version": 1,
                    "terms": {},
                    "use_class": "non_capital_spare",
                    "audience": "all",
                }
            ]
        }
    )
    title: str = Field(min_length=1, max_length=200)
    clause: str = Field(examples=["buy-back"])
    version: int = Field(default=1, examples=[1])
    terms: dict[str, Any]
    further: list[NamedClauseIn] = Field(
        default_factory=list, max_length=4, description="Clauses beside the first: at most one first refusal."
    )
    use_class: UseClass
    payment_days: int = Field(
        default=30, examples=[30], description="The price is due so many days after the receipt; of units that stay yours "
        "until they are taken out, the clause says when."
    )  # fmt: skip
    audience: Literal["all", "named"] = "all"
    audience_ids: list[UUID] = Field(default_factory=list)

    def given(self) -> dict[str, Any]:
        """As the service takes it."""
        further = [clause.named for clause in self.further]
        return {**self.model_dump(exclude={"further"}), "further": further}


class LineIn(BodyIn):
    """A line to offer, per base unit of the part."""

    part_id: UUID
    site_id: UUID
    condition: Condition
    quantity: int = Field(description="A multiple of the package.")
    unit_price: Decimal = Field(max_digits=16, decimal_places=4)
    minimum_quantity: int = Field(
        default=1, description="The smallest order: a multiple of the package; 1 for none of its own."
    )
    package_quantity: int = Field(
        default=1,
        description="Sold in whole packages of so many. Where units go missing later, a buyer of all that is left takes "
        "the remainder along.",
    )
    minimum_to_keep: int | None = Field(
        default=None, description="None: what the terms say, or all that is offered where that is less."
    )


class LinesIn(BodyIn):
    """All lines of a draft; they replace what was there."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "lines": [
                        {
                            "part_id": EXAMPLE_ID,
                            "site_id": EXAMPLE_ID,
                            "condition": "new",
                            "quantity": 10,
                            "unit_price": "180.00",
                        }
                    ]
                }
            ]
        }
    )
    lines: list[LineIn] = Field(max_length=1000)


class ReleaseOut(BaseModel):
    """A release with how much is offered and ordered."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    reference: str
    title: str
    clause: str
    version: int
    terms: dict[str, Any]
    further: list[NamedClauseOut] = Field(description="Clauses beside the first.")
    use_class: str
    payment_days: int = Field(description="The price is due so many days after the receipt.")
    currency: str
    audience: str
    audience_ids: list[UUID] | None = Field(description="The partners it is for; null to anybody but its owner.")
    status: str
    created_at: datetime
    published_at: datetime | None
    lines: int
    quantity: int
    ordered: int
    value: Decimal


class ListingOut(BaseModel):
    """A listing as a partner sees it, with its clause in plain words."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    release_reference: str
    seller: str
    part_id: UUID
    part_number: str
    description: str
    maker: str
    uom: str
    place: str
    region: str
    country: str
    condition: str
    available: int
    unit_price: Decimal
    currency: str
    minimum_quantity: int
    package_quantity: int
    minimum_to_keep: int
    clause: str
    version: int
    use_class: str
    payment_days: int = Field(description="The price is due so many days after the receipt.")


class ReleaseDetail(ReleaseOut):
    """A release with its lines."""

    line_items: list[ListingOut]


class ReleaseBooksOut(BooksOut):
    """How a posting would be booked if all of it were sold today, and what the law says about its terms."""

    law: list[FindingOut]


class LinesSet(BaseModel):
    """The lines of a draft, in the order given."""

    listing_ids: list[UUID]


class ListingDetail(ListingOut):
    """A listing with the clause's terms and what they mean."""

    terms: dict[str, Any]
    further: list[NamedClauseOut] = Field(description="Clauses beside the first.")
    clause_badge: str
    clause_sentence: str
    clause_summary: list[str]


class ReduceIn(BodyIn):
    """What is offered in all from now on; not below what is ordered."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"quantity": 4}]})
    quantity: int = Field(ge=0)


class CombinationOut(BaseModel):
    """A preset in words, with the clauses that go beside the one it stands with, complete with terms."""

    name: str
    title: str
    when: str
    further: list[NamedClauseOut]


class ClauseOut(BaseModel):
    """A published clause version and its presets by name; ``combinations`` tells of each, and what goes beside it."""

    clause: str
    version: int
    title: str
    sha256: str = Field(description="SHA-256 of its text.")
    presets: dict[str, dict[str, Any]]
    combinations: list[CombinationOut]


class OfferChoiceOut(BaseModel):
    """One value of a facet and how many offers it leaves; ``label``: its name, where the value is a code or an id."""

    model_config = ConfigDict(from_attributes=True)
    value: str
    label: str | None
    listings: int


class OfferFacetOut(BaseModel):
    """One way of narrowing a search. ``at_least``: more offers fit than were counted; ``more``: choices that are not told."""

    model_config = ConfigDict(from_attributes=True)
    name: str
    choices: list[OfferChoiceOut]
    at_least: bool
    more: int


class OfferFacetsOut(BaseModel):
    """How many offers fit, and what they can be narrowed by."""

    model_config = ConfigDict(from_attributes=True)
    listings: int
    at_least: bool
    facets: list[OfferFacetOut]
