"""Sourcing on the wire.

What an answer about 500 numbers holds by the thousand is a plain dataclass: mypy has checked what is put into it, and
a model would check every field once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.kit.wire import EXAMPLE_ID, BodyIn, Day, Moment, ShipIn
from marketplace.parties.actor import Actor
from marketplace.sourcing.candidates import Candidate
from marketplace.sourcing.queries import CallRow, RequisitionRow
from marketplace.sourcing.schemas.back import Name, OnReturnOut

Urgency = Literal["machine_down", "urgent", "stock_order"]


@dataclass(slots=True)
class BlockedOut:
    """Units that exist but cannot be called, and why."""

    quantity: int
    code: Annotated[str, Field(examples=["window_closed"])]
    words: str


@dataclass(slots=True)
class CandidateOut:
    """Units at one place. Where the maker masks its holders, holder and place are told only roughly."""

    key: str
    kind: Annotated[str, Field(examples=["buy_back"])]
    holder: str
    place: str
    lat: float | None
    lon: float | None
    distance: str
    condition: str
    agreement: str | None
    clause: str
    clause_sentence: str
    quantity: int
    callable: int
    unit_price: Decimal | None
    draw_fee: Annotated[
        Decimal | None,
        Field(description="Per unit of an access draw; its `unit_price` is owed only for units not replaced in time."),
    ]
    currency: str | None
    respond_by: datetime | None
    arrives: datetime | None
    counted_at: datetime | None
    snapshot_on: Annotated[
        date | None, Field(description="The day of the stock file that last named it; own stock only.")
    ]
    blocked: list[BlockedOut]
    reasons: Annotated[
        list[str], Field(description="Why the clause allows it, and at what price; empty unless `explain`.")
    ]

    @classmethod
    def of(cls, c: Candidate) -> CandidateOut:
        """The wire form of a candidate; a masked one carries no agreement, site or coordinates."""
        return cls(
            key=c.key, kind=c.kind, holder=c.holder, place=c.site, lat=c.point.lat, lon=c.point.lon,
            distance=c.distance_words, condition=c.condition, agreement=None if c.masked else c.agreement,
            clause=c.badge, clause_sentence=c.badge_sentence, quantity=c.quantity, callable=c.callable,
            unit_price=c.unit_price.amount if c.unit_price else None,
            draw_fee=c.draw_fee.amount if c.draw_fee else None,
            currency=c.unit_price.currency if c.unit_price else None, respond_by=c.respond_by, arrives=c.arrives,
            counted_at=c.counted_at, snapshot_on=c.snapshot_on, blocked=[BlockedOut(*b) for b in c.blocked], reasons=list(c.reasons),
        )  # fmt: skip


class RequestIn(BodyIn):
    """A parts request."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "part_id": EXAMPLE_ID,
                    "quantity": 1,
                    "destination_site_id": EXAMPLE_ID,
                    "needed_by": "2026-12-01T12:00:00Z",
                    "urgency": "machine_down",
                    "machine_model": "EX-200",
                    "machine_serial": "77",
                }
            ]
        }
    )
    part_id: UUID
    quantity: int
    destination_site_id: UUID
    needed_by: Moment
    urgency: Urgency
    machine_model: str = Field(default="", max_length=120)
    machine_serial: str = Field(default="", max_length=120)
    job_number: str = Field(default="", max_length=120)
    substitutes: bool = False
    complete_only: bool = Field(default=False, description="All of the quantity, or nothing.")
    kit: str = Field(default="", max_length=120, description="Requests of one kit are planned whole or not at all.")


class OrderBackIn(RequestIn):
    """A parts request together with the place to order from (``key`` from locate)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "key": "9f86d081884c7d65",
                    "part_id": EXAMPLE_ID,
                    "quantity": 1,
                    "destination_site_id": EXAMPLE_ID,
                    "needed_by": "2026-12-01T12:00:00Z",
                    "urgency": "machine_down",
                    "machine_model": "EX-200",
                    "machine_serial": "77",
                }
            ]
        }
    )
    key: str
    notice_id: UUID | None = Field(
        default=None, description="The holder's notice that this answers, where several run; the oldest if left out."
    )


class ChoiceIn(BodyIn):
    """So many from the place with this key."""

    key: str
    quantity: int


class PlannedPlace(BaseModel):
    """A place of a plan. Where the maker masks its holders, holder and site are told only roughly."""

    kind: str = Field(examples=["buy_back"])
    part_id: UUID
    holder: str
    site: str
    condition: str
    distance: str
    arrives: datetime | None
    respond_by: datetime | None
    badge: str
    callable: int
    currency: str | None
    unit_price: Decimal | None


class ChosenPlace(PlannedPlace):
    """So many from here. Costs in minor units of the plan's currency, for a unit; ``unit_price`` is in its own."""

    key: str
    quantity: int
    price_minor: int
    freight_minor: int
    handling_minor: int
    late_days: int
    unit_total_minor: int
    again: str = Field(default="", description="Said where an order for the request came to nothing there before.")


class PlaceNotChosen(PlannedPlace):
    """By how much a unit from here would cost more, and why."""

    key: str
    more_minor: int
    why: str


class PlaceNotCallable(PlannedPlace):
    """Units that are there but cannot be ordered back."""

    quantity: int
    why: list[BlockedOut]


class PlanOut(BaseModel):
    """The best set of units for what a request still lacks, and why the rest was left (20 of each at most)."""

    made_at: datetime
    lacking: int
    unmet: int = Field(description="Units that nobody can send.")
    total_minor: int = Field(description="With freight and handling, in minor units of `currency`.")
    currency: str | None = Field(default=None, description="Of all costs here; null in plans kept before it was said.")
    rates: list[str] = Field(default=[], description="By which prices of other currencies were compared.")
    chosen: list[ChosenPlace]
    not_chosen: list[PlaceNotChosen]
    not_callable: list[PlaceNotCallable]


class ConfirmIn(BodyIn):
    """Which places to order from; left out, what the plan says."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"choices": [{"key": "9f86d081884c7d65", "quantity": 1}]}]}
    )
    choices: list[ChoiceIn] | None = None


class LicenceIn(BodyIn):
    """The number of an export licence."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"licence": "D1234567"}]})
    licence: str = Field(max_length=200)


class LicenceRefusedIn(BodyIn):
    """Who refused an export licence, and why: the other side reads it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "BIS, case Z123: end use not shown."}]})
    note: str = Field(min_length=1, max_length=500)


class TakeOverIn(BodyIn):
    """Units of a less urgent order that its holder has not accepted yet. ``quantity`` left out: as many as are lacking and as
    the order has."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"call_id": "01a2285d-cd50-7535-a202-3746b3aca9ba", "quantity": 1}]}
    )
    call_id: UUID
    quantity: int | None = Field(default=None, ge=1)


class OrderedOut(BaseModel):
    """The orders made. ``awaiting_approval``: above the technician's limit, reserved for 30 minutes, not sent yet."""

    requisition_id: UUID
    calls: list[UUID]
    awaiting_approval: bool


class RecordOut(BaseModel):
    """A record that bears a number."""

    model_config = ConfigDict(from_attributes=True)
    kind: Literal["order", "posting", "agreement", "call", "request", "settlement"]
    id: UUID
    reference: str
    by: Literal["reference", "po_number", "job_number"] = Field(description="What of it is that number.")
    about: str = Field(description="The other company, the part's number, or the posting's title.")


class RequisitionOut(BaseModel):
    """A parts request as it stands."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    reference: str
    company: str
    maker: str
    part_id: UUID
    part_number: str
    description: str
    quantity: int
    destination: str | None
    needed_by: datetime
    urgency: str
    machine_model: str
    machine_serial: str
    job_number: str
    substitutes: bool
    status: str
    outcome: str | None
    ordered: int
    on_the_way: int
    received: int
    plan: dict[str, Any] | None = Field(
        description="As it was made last. Where the maker masks its holders, they are told only roughly."
    )

    @classmethod
    def of(cls, row: RequisitionRow, actor: Actor) -> RequisitionOut:
        """The wire form, with the stored plan as this person may read it."""
        return cls.model_validate(row).model_copy(update={"plan": row.plan_for(actor)})


class ContactOut(BaseModel):
    """A person to ring at a site."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    site_id: UUID
    name: str
    role: str
    telephone: str
    email: str


class PersonToRing(BaseModel):
    """Somebody who answers for a place or an order."""

    name: str
    role: str = ""
    telephone: str = ""
    email: str = ""
    company: str = ""


class PlaceOut(BaseModel):
    """A place that an order goes to or comes from, as it was when it was ordered. Times in ``timezone``."""

    name: str
    address: str = Field(description="Street lines; empty if the site has none.")
    place: str
    region: str
    country: str
    timezone: str
    opens: str | None = Field(examples=["07:30"])
    closes: str | None
    telephone: str
    after_hours: str
    will_call: bool
    people: list[PersonToRing]
    asked_by: PersonToRing | None = Field(default=None, description="Who needs the units; only of the destination.")


class CallOut(BaseModel):
    """A buy-back order, access draw or pick request."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    reference: str
    kind: str
    company: str
    maker: str
    holder: str
    agreement_reference: str | None
    part_number: str
    description: str
    site: str | None
    counter_phone: str | None
    after_hours_phone: str | None
    will_call: bool | None
    destination: str | None
    condition: str
    urgency: str
    quantity: int
    unit_price: Decimal
    draw_fee: Decimal | None = Field(
        description="Per unit of an access draw; its `unit_price` is owed only for units not replaced in time."
    )
    currency: str
    status: str
    silence: str
    respond_by: datetime | None
    ship_by: datetime | None
    expected_at: datetime | None
    inspect_by: datetime | None = Field(description="What is not rejected before is accepted; known once received.")
    replace_by: datetime | None = Field(description="Drawn units not replaced before are bought; known once received.")
    to_replace: int = Field(description="Drawn units that are neither replaced nor bought.")
    replacing: int = Field(description="Units on their way to the holder in replacements.")
    replaced: int
    bought: int = Field(description="Drawn units that were not replaced in time.")
    acknowledge_by: datetime | None = Field(
        description="By then the holder says that it has seen the order; of a `put` the maker where it goes."
    )
    acknowledged_at: datetime | None
    carrier: str | None
    tracking: str | None
    refusal_code: str | None
    note: str | None
    inspected_good: int | None
    licence_asked_at: datetime | None = Field(
        description="An export licence was asked for then: until it is there, no time for shipping runs."
    )
    licence_refused_at: datetime | None = Field(
        description="It was refused then: either side may end the order until it is there after all."
    )
    cancel_asked_at: datetime | None = Field(
        description="Its asker asked then that an order which binds the holder ends; the holder agrees, or ships."
    )
    licence: str | None = Field(description="The export licence under which controlled units travel.")
    ship_to: PlaceOut | None = Field(description="Where the units go, for both sides.")
    ship_from: PlaceOut | None = Field(description="Where the units are, once the order is sent.")
    grades: OnReturnOut | None = Field(description="Kept at receipt, where the agreement states it.")
    replaces_id: UUID | None = Field(description="The order whose rejected units this one makes good.")
    replaces: str | None
    notice_id: UUID | None = Field(description="The holder's notice that the order names; null: the oldest that ran.")

    @classmethod
    def of(cls, call: CallRow, actor: Actor) -> CallOut:
        """The wire form. Whom to ring is told only once the order is sent, and so is a holder that its maker masks."""
        found = cls.model_validate(call)
        if call.noticed_at is not None:
            return found
        untold: dict[str, Any] = {"ship_from": None, "counter_phone": None, "after_hours_phone": None}
        if not call.named_to(actor):
            untold |= {"holder": "A partner, named once the order is sent", "site": None, "agreement_reference": None}
        return found.model_copy(update=untold)


class AcceptIn(BodyIn):
    """Commit to all, or to ``quantity`` and refuse the rest: under an agreement with a reason that its clause allows."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"quantity": 1, "code": "not_on_shelf"}]})
    quantity: int | None = None
    code: str | None = Field(
        default=None, description="Why not all of it: not_on_shelf, damaged, used_unreported, short."
    )
    note: str = Field(default="", max_length=1000)


class RefuseIn(BodyIn):
    """Refuse with a code: not_on_shelf, damaged, used_unreported, short. For another reason (`other`, with a note) only units that
    are under no agreement are refused: no clause lets a holder keep what is there."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "not_on_shelf", "note": "bin is empty"}]})
    code: str
    note: str = Field(default="", max_length=1000)


class BackIn(BodyIn):
    """How many rejected units did not come back, and how you know."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"missing": 0}]})
    missing: int = Field(default=0, ge=0)
    note: str = Field(default="", max_length=500)


class FreightIn(BodyIn):
    """What you paid a carrier, by which document, for which trip."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"trip": "there", "amount": "84.20", "currency": "USD", "document": "1Z999AA10123456784"}]
        }
    )
    trip: Literal["there", "back"] = Field(description="there: to the manufacturer; back: rejected units to the holder")
    amount: Decimal = Field(gt=0, max_digits=16, decimal_places=4)
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    document: str = Field(min_length=1, max_length=80)


class CoverIn(BodyIn):
    """What one unit cost elsewhere, in the currency of the order, and the invoice that says so."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"unit_price": "131.50", "document": "INV-20711"}]})
    unit_price: Decimal = Field(ge=0, max_digits=16, decimal_places=4)
    document: str = Field(min_length=1, max_length=100)


class LostIn(BodyIn):
    """What is known of a consignment that did not arrive."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "UPS: damaged beyond delivery, claim 55-1."}]})
    note: str = Field(min_length=1, max_length=1_000)


class WayBackOut(BaseModel):
    """Rejected units on their way back to their holder."""

    model_config = ConfigDict(from_attributes=True)
    call_id: UUID
    quantity: int
    carrier: str
    tracking: str | None
    shipped_at: datetime
    received_at: datetime | None
    missing: int | None
    note: str


class InPlaceIn(BodyIn):
    """Units of one of your own lots."""

    lot_id: UUID
    quantity: int = Field(ge=1, le=1_000_000)


class ShipOrderIn(ShipIn):
    """How the units travel, and which others go in place of units of the schedule."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"carrier": "UPS", "tracking": "1Z999"},
                {"own_transport": True, "in_place": [{"lot_id": EXAMPLE_ID, "quantity": 1}]},
            ]
        }
    )
    in_place: list[InPlaceIn] = Field(
        default=[], max_length=200, description="Of your own stock, free of any agreement, where the terms allow it."
    )


class StandInOut(BaseModel):
    """Units of the holder that could go in place of those of the schedule, or travel in place of them."""

    lot_id: UUID
    part_id: UUID
    part_number: str
    serial: str | None
    condition: str
    quantity: int
    allowed: bool
    words: str = Field(description="Why it may not go, with clause, version and section; empty where it may.")


class InPlaceOut(BaseModel):
    """Before the order ships what could go in place of its units, for the holder; after that what did."""

    could: list[StandInOut] = Field(description="At most 200 lots.")
    travels: list[StandInOut]


class ReplaceIn(ShipIn):
    """Equal units (the same part number, in no worse condition) sent for drawn ones, from one of your sites."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "quantity": 1, "site_id": EXAMPLE_ID, "condition": "new",
                    "carrier": "Tri-County Freight", "tracking": "1Z999",
                }
            ]
        }
    )  # fmt: skip
    quantity: int
    site_id: UUID
    condition: str = Field(examples=["new"])
    serials: list[Name] = Field(
        default=[], max_length=10_000, description="Which units are sent, where those at the place have serial numbers."
    )


class ReceivedUnits(BodyIn):
    """Serial-numbered units by what became of them, each by its serial (or its lot id). Those not named are good."""

    good: list[Name] = Field(default=[], max_length=10_000)
    refused: list[Name] = Field(default=[], max_length=10_000)
    missing: list[Name] = Field(default=[], max_length=10_000)


class ReceiveReplacementIn(BodyIn):
    """How many are accepted and how many did not arrive; the others are not accepted and stay the maker's."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"good": 1}, {"good": 0, "note": "wrong part"}]})
    good: int
    missing: int = 0
    note: str = Field(default="", max_length=1000)
    arrived_on: Day | None = Field(default=None, description="The day at your site; today if left out.")
    units: ReceivedUnits = Field(default_factory=ReceivedUnits)


class EqualStockOut(BaseModel):
    """Free units of the maker that can replace drawn ones, at one place."""

    model_config = ConfigDict(from_attributes=True)
    site_id: UUID
    site: str
    condition: str
    free: int
    serials: list[str] = Field(description="Of those that have one.")


class ReplacementOut(BaseModel):
    """Equal units sent for drawn ones. `good` and `missing` once it was received."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    quantity: int
    carrier: str
    tracking: str | None
    shipped_at: datetime
    received_at: datetime | None
    arrived_on: date | None
    good: int | None
    missing: int | None
    note: str | None


class FinishIn(BodyIn):
    """received, fitted (in which machine), or returned_unused."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"outcome": "fitted", "machine": "EX-200 SN 77"}]})
    outcome: str
    machine: str = Field(default="", max_length=120)
