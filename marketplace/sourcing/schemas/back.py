"""What came back on the wire: its condition and what it fetches, its inspection; and what a holder sells back."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.agreements.graded import Finding
from marketplace.agreements.term_kinds import Grade, Papers, RejectRemedy
from marketplace.kit.wire import EXAMPLE_ID, BodyIn
from marketplace.sourcing.defaults import Cause
from marketplace.sourcing.service.selling_back import Sellable

Name = Annotated[str, Field(max_length=200)]
DisputeReason = Literal[
    "lower_grade", "damaged", "wrong_part", "papers", "quantity", "price", "not_owed", "other"
]  # fmt: skip


class GradeOut(BaseModel):
    """What a unit in this condition fetches on acceptance."""

    grade: Grade
    each: Decimal = Field(description="Per unit, handling included.")
    handling: Decimal = Field(description="So much of it is for handling, on a line of its own.")
    percent_bp: int = Field(description="Share of the price that the agreement states for this condition.")
    may_reject: bool
    words: str = Field(description="With clause, version and section.")
    bought_each: Decimal | None = Field(
        default=None,
        description="Of a draw: what a unit is bought at, handling included, where it is not replaced in time.",
    )
    bought_handling: Decimal | None = Field(default=None, description="So much of that is for handling.")
    bought_words: str | None = None


class OnReturnOut(BaseModel):
    """What units that come back have to be like, and what each condition fetches, best first."""

    asked: list[str]
    papers: Papers = Field(description="Which are asked for.")
    remedy: RejectRemedy = Field(description="What happens to a unit that is rejected.")
    shelf_life: bool = Field(description="Whether a share of the shelf life has to be left.")
    pays: list[GradeOut]


class InspectedUnits(BodyIn):
    """Serial-numbered units by what the inspection found, each by its serial (or its lot id). Those that are not named
    are good."""

    good: list[Name] = Field(default=[], max_length=10_000)
    rejected: list[Name] = Field(default=[], max_length=10_000)


class LowerIn(BodyIn):
    """So many of the accepted units are of a lower grade; you would pay so much less for them in all."""

    quantity: int = Field(ge=1)
    less: Decimal = Field(gt=0, max_digits=16, decimal_places=4, examples=["30.00"])


class FoundIn(BodyIn):
    """What was found of so many units: their condition, their papers, how much of their shelf life is left."""

    grade: Grade = Field(description="The condition that they are in.")
    quantity: int = Field(ge=1)
    accepted: bool = Field(default=True, description="false: rejected, as the agreement allows it.")
    papers: Papers | None = Field(default=None, description="Which papers came along; null: those that are asked for.")
    shelf_life_left_bp: int | None = Field(
        default=None, ge=0, le=10_000, description="Of the shelf life, in basis points; null where there is none."
    )
    units: list[Name] = Field(
        default=[],
        max_length=10_000,
        description="Those with serial numbers, by serial or lot id; of one finding not needed.",
    )

    def finding(self) -> Finding:
        """As the service takes it."""
        return Finding(
            grade=self.grade, quantity=self.quantity, accepted=self.accepted, papers=self.papers,
            shelf_life_left_bp=self.shelf_life_left_bp, units=tuple(self.units),
        )  # fmt: skip


class InspectIn(BodyIn):
    """How many are accepted; a note where some are rejected, and which where they have serial numbers. Where the agreement
    states what a condition fetches (`grades` of the order), `found` says in which condition they are."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"good": 1},
                {"good": 1, "units": {"rejected": ["SN-2"]}, "note": "housing cracked"},
                {
                    "found": [
                        {"grade": "new", "quantity": 2, "units": ["SN-1", "SN-2"]},
                        {"grade": "core", "quantity": 1, "units": ["SN-3"], "accepted": False},
                    ]
                },
            ]
        }
    )
    good: int | None = Field(default=None, description="How many are accepted; not needed beside `found`.")
    found: list[FoundIn] = Field(default=[], max_length=1_000)
    note: str = Field(default="", max_length=1000)
    units: InspectedUnits = Field(default_factory=InspectedUnits)
    reason: DisputeReason = Field(default="other", description="Why units are rejected.")
    lower: LowerIn | None = Field(default=None, description="Accepted units of a lower grade.")


class ObjectIn(BodyIn):
    """In which better condition so many units of a settlement line came back (all of them, unless you say so), and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "line_id": EXAMPLE_ID, "condition": "used_tested", "quantity": 2,
                    "words": "Our test report was in the box.",
                }
            ]
        }
    )  # fmt: skip
    line_id: UUID
    condition: str = Field(max_length=40)
    quantity: int | None = Field(default=None, ge=1)
    words: str = Field(min_length=1, max_length=500)


class SellBackIn(BodyIn):
    """Units that you sell back under your agreement's right to do so, from one site, in one condition."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "agreement_id": EXAMPLE_ID, "part_id": EXAMPLE_ID, "site_id": EXAMPLE_ID, "condition": "new",
                    "quantity": 2,
                }
            ]
        }
    )  # fmt: skip
    agreement_id: UUID
    part_id: UUID
    site_id: UUID
    condition: str = Field(default="new", max_length=40)
    quantity: int = Field(ge=1)


class DestinationIn(BodyIn):
    """One of your sites: where units that are sold back to you go."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"site_id": EXAMPLE_ID}]})
    site_id: UUID


class SellableOut(BaseModel):
    """Units that you have under an agreement at one site; ``can``: so many of them you can sell back now."""

    part_id: UUID
    part_number: str
    site_id: UUID
    site: str
    condition: str
    free: int
    can: int
    unit_price: Decimal | None
    currency: str | None
    words: str = Field(description="The price with clause, version and section; or why not, and when.")

    @classmethod
    def of(cls, found: Sellable) -> SellableOut:
        """The wire form."""
        row, price = found.row, found.unit_price
        return cls(
            part_id=row.part_id, part_number=row.part_number, site_id=row.site_id, site=row.site, condition=row.condition,
            free=row.free, can=found.can, unit_price=price.amount if price else None,
            currency=price.currency if price else None, words=found.words,
        )  # fmt: skip


class EndForBreachIn(BodyIn):
    """A default of the other side, and a word to it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"cause": "order", "reference": "BBO-7F3K2Q", "reason": "Not shipped in four weeks."}]
        }
    )
    cause: Cause = Field(description="What the other side is in default with.")
    reference: str = Field(
        min_length=1,
        max_length=40,
        description="Of the order or the settlement line; of missing units the id of what was said.",
    )
    reason: str = Field(min_length=1, max_length=500)


class DefaultOut(BaseModel):
    """A default of the other side."""

    model_config = ConfigDict(from_attributes=True)
    cause: Cause
    reference: str
    since: datetime
    words: str


class OwnDefaultOut(BaseModel):
    """Something that your own side has missed."""

    model_config = ConfigDict(from_attributes=True)
    cause: Cause
    reference: str
    since: datetime = Field(description="From then on it is a default.")
    words: str
    until: datetime | None = Field(description="Before then it can be made good; null: it is a default already.")
    make_good: str = Field(description="What makes it good.")
    other_may: str = Field(description="What the other side may do, and when, with the section.")


class OwedOut(BaseModel):
    """What a side owes under an agreement and has not paid."""

    payer_id: UUID
    amount: Decimal
    currency: str


class BreachOut(BaseModel):
    """What an end for breach would rest on and end, as things stand."""

    defaults: list[DefaultOut]
    units: int = Field(description="With the holder: free of the right then.")
    on_the_way: int = Field(description="Finish under the agreement.")
    orders: list[str] = Field(description="Orders back that end: not yet with the carrier.")
    owed: list[OwedOut] = Field(description="Stays owed.")
    own: list[OwnDefaultOut] = Field(
        description="What your own side is in default with, or will be once the time to make it good has run."
    )


class EndedOut(BaseModel):
    """An agreement that was ended for breach."""

    model_config = ConfigDict(from_attributes=True)
    agreement_id: UUID
    reference: str
    units: int = Field(description="Free of the right.")
    orders: list[str] = Field(description="Orders back that ended with it.")
