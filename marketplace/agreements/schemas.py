"""Agreements on the wire."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from marketplace.agreements.books import Books, NamedLine, UnitClass
from marketplace.agreements.classification import INDICATIVE, Kind
from marketplace.agreements.law import Action
from marketplace.agreements.law import Status as LawStatus
from marketplace.agreements.queries import NoticeRow
from marketplace.agreements.together import NamedClause
from marketplace.kit.wire import BodyIn

Status = Literal[
    "offered", "active", "suspended", "expiring", "run_off", "closed", "terminated", "superseded", "withdrawn"
]


class NamedClauseIn(BodyIn):
    """A clause that stands beside the first, with its terms."""

    clause: str = Field(examples=["first-refusal"])
    version: int = Field(default=1, examples=[1])
    terms: dict[str, Any]
    sha256: str | None = Field(default=None, pattern="^[0-9a-fA-F]{64}$", description="Of its text; checked if stated.")

    @property
    def named(self) -> NamedClause:
        """As services take it."""
        return NamedClause(self.clause, self.version, self.terms, self.sha256)


class NamedClauseOut(BaseModel):
    """A clause that stands beside the first, with its terms; and the hash of its text where it is agreed or offered."""

    clause: str = Field(examples=["first-refusal"])
    version: int
    sha256: str | None = None
    terms: dict[str, Any]


class AgreementOut(BaseModel):
    """An agreement (a schedule under a framework) in a list."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    reference: str = Field(examples=["AGR-7F3K2Q"])
    maker_id: UUID
    maker: str
    holder_id: UUID
    holder: str
    order_id: UUID | None
    clause: str = Field(examples=["buy-back"])
    version: int
    further: list[NamedClauseOut] = Field(description="Clauses beside the first.")
    title: str = Field(description="Of all clauses.")
    currency: str = Field(examples=["USD"])
    use_class: str = Field(examples=["intermediate_good"])
    schedule_date: date | None = Field(description="Null until the second signature, unless the text names a day.")
    status: Status
    status_reason: str | None
    legal_hold: bool
    suspension_ends_at: datetime | None = Field(
        description="Exclusive: when a suspension ends by itself; null where there is none, or it lasts until it is resumed."
    )
    exercises: int = Field(description="Orders made under this schedule, cancelled ones not counted.")
    window_opens_at: datetime
    window_closes_at: datetime = Field(description="Exclusive: notice must be given before this moment.")
    maker_signed_at: datetime | None
    holder_signed_at: datetime | None
    waiting_for: list[str] = Field(description="Sides that have not signed yet.", examples=[["holder"]])
    lines: int
    quantity_sold: int = Field(description="As signed.")
    not_accepted: int = Field(description="Of those: short, damaged or the wrong part on receipt.")
    remaining: int = Field(description="Of those: with the holder now.")
    value: Decimal = Field(description="Units sold at the prices paid, as signed.")


class LineOut(BaseModel):
    """One part of a schedule as it stands."""

    part_id: UUID
    number: str
    description: str
    uom: str
    quantity_sold: int = Field(description="As signed.")
    accepted: int = Field(description="Of those: what became the holder's; all of them until receipt.")
    not_accepted: int = Field(description="Short, damaged or the wrong part on receipt.")
    sale_price: Decimal
    list_price: Decimal | None
    minimum_to_keep: int = Field(description="As signed.")
    minimum_in_force: int = Field(description="What can be asked for: never more than was accepted.")
    taken_back: int
    manufacturers: int = Field(
        description="Units with the holder that are the manufacturer's still: until paid or taken out."
    )
    counted_out: int = Field(description="Of those: count as taken out and become the holder's when they are paid.")
    remaining: int | None = Field(description="Units the holder still has; null while the agreement is not in force.")
    callable: int | None = Field(description="Units that could be ordered back now.")
    words: str | None = Field(examples=["6 callable, 3 reserved, 1 holder's reserve"])
    badge: str | None = Field(examples=["Buy-back · until Nov 2034"])
    summary: list[str]


class TakingOutRow(BaseModel):
    """Units that stayed the manufacturer's and were taken out, or count as taken out."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    part_id: UUID
    part_number: str
    quantity: int
    undone: int = Field(description="Of those: recorded wrongly, and put back.")
    unit_price: Decimal
    currency: str
    why: Literal["use", "install", "resell", "scrap", "without_leave", "lay_too_long", "at_end"]
    on_payment: bool = Field(description="They become the holder's with the payment; otherwise they did at once.")
    taken_at: datetime
    due_on: date


class EventOut(BaseModel):
    """One thing that happened to an agreement."""

    model_config = ConfigDict(from_attributes=True)
    kind: str
    detail: dict[str, Any]
    company: str
    at: datetime


class FindingOut(BaseModel):
    """A legal limit that concerns the terms. Not legal advice."""

    model_config = ConfigDict(from_attributes=True)
    rule: str = Field(examples=["us-la-2568"])
    term: str = Field(description="The term it is about.", examples=["window_end_months"])
    action: Action = Field(description="BLOCK is neither published nor signed; the others are shown and kept.")
    status: LawStatus
    place: str = Field(examples=["Louisiana"])
    source: str = Field(examples=["Louisiana Civil Code, art. 2568"])
    words: str
    certain: bool = Field(description="False where it depends on who buys or where the units go.")
    in_force: date = Field(description="Since when the cited text stands.", examples=["1995-01-01"])
    for_counsel: str = Field(description="What is doubtful about it; empty where nothing is known to be.")


class StepOut(BaseModel):
    """One test that was asked, where the standards ask it, with its figures and the answer."""

    model_config = ConfigDict(from_attributes=True)
    question: str
    reference: str = Field(examples=["IFRS 15 B66-B67; ASC 606-10-55-68, 55-69"])
    figures: dict[str, Any]
    answer: str


class BookedOut(BaseModel):
    """Units of one line that are booked alike."""

    unit_class: UnitClass
    units: int = Field(description="Of an agreement: as signed.")
    not_accepted: int = Field(
        default=0, description="Of those: short, damaged or the wrong part on receipt, so that they were not sold."
    )
    kind: Kind
    needs_rate: bool = Field(description="Whether a discount rate would decide.")
    trace: list[StepOut] = Field(description="The tests in their order; the last one decided.")


class LineBooksOut(BaseModel):
    """One line with its classes of units."""

    part_id: UUID
    number: str
    uom: str
    unit_price: Decimal
    currency: str
    classes: list[BookedOut]


class BooksTotalsOut(BaseModel):
    """What books come to."""

    model_config = ConfigDict(from_attributes=True)
    headline: str
    units: dict[Kind, int]
    revenue_now_bp: int
    at_least: bool


class BooksOut(BaseModel):
    """How units are booked by whoever sells them, by IFRS 15 and ASC 606."""

    notice: str = Field(default=INDICATIVE, examples=[INDICATIVE])
    headline: str = Field(examples=["3 of 10 units will be leases: revenue now 70 %."])
    units: dict[Kind, int]
    revenue_now_bp: int = Field(description="Share of the price that is revenue on delivery, in basis points.")
    at_least: bool = Field(description="Whether more may follow from a judgement or from units not expected back.")
    needs_rate: bool
    discount_rate_bp: int | None = Field(description="A year, in basis points; null = not stated.")
    recorded_at: datetime | None = Field(
        description="When it was kept with the agreement; null = reckoned now, nothing is kept."
    )
    accepted: BooksTotalsOut | None = Field(
        default=None,
        description="Without the units not accepted on receipt; null where there are none, or nothing was received yet.",
    )
    now: BooksTotalsOut | None = Field(
        default=None,
        description="Of an agreement kept before a rate was stated that decides: what is left of it at today's rate. "
        "Nothing of it is kept.",
    )
    lines: list[LineBooksOut]

    @classmethod
    def of(
        cls,
        books: Books,
        recorded_at: datetime | None = None,
        accepted: Books | None = None,
        now: Books | None = None,
        **more: Any,
    ) -> Self:
        """From the books of a posting or an agreement."""
        totals = books.totals
        return cls(
            headline=totals.headline, units=totals.units, revenue_now_bp=totals.revenue_now_bp,
            at_least=totals.at_least, needs_rate=totals.needs_rate, discount_rate_bp=books.rate_bp,
            recorded_at=recorded_at, accepted=BooksTotalsOut.model_validate(accepted.totals) if accepted else None,
            now=BooksTotalsOut.model_validate(now.totals) if now else None,
            lines=[_line_books(a, b) for a, b in zip(books.lines, (accepted or books).lines, strict=True)], **more,
        )  # fmt: skip


def _line_books(line: NamedLine, after: NamedLine) -> LineBooksOut:
    price = line.books.unit_price
    left = {booked.unit_class: booked.units for booked in after.books.classes}
    return LineBooksOut(
        part_id=line.part_id, number=line.number, uom=line.uom, unit_price=price.amount, currency=price.currency,
        classes=[
            BookedOut(
                unit_class=booked.unit_class, units=booked.units,
                not_accepted=booked.units - left.get(booked.unit_class, 0), kind=booked.kind,
                needs_rate=booked.classification.needs_rate,
                trace=[StepOut.model_validate(step) for step in booked.classification.trace],
            )
            for booked in line.books.classes
        ],
    )  # fmt: skip


class HoldOut(BaseModel):
    """A legal hold that stands. Each side lifts its own; nothing moves while one of them stands."""

    model_config = ConfigDict(from_attributes=True)
    company_id: UUID
    company: str
    basis: str | None = Field(description="The law, order or decision that it rests on.")
    insolvency_id: UUID | None = Field(
        validation_alias=AliasChoices("insolvency_id", "record"),
        description="The record of an insolvency that set it, and that it is lifted with.",
    )
    since: datetime


class SuspensionOut(BaseModel):
    """A suspension of one side that it has not lifted; one of the other side stands on its own."""

    model_config = ConfigDict(from_attributes=True)
    company_id: UUID
    company: str
    reason: str | None
    since: datetime
    ends_at: datetime | None = Field(description="When it ends by itself; null where it does not.")


class FrameworkOut(BaseModel):
    """A framework agreement that a schedule stands under."""

    model_config = ConfigDict(from_attributes=True)
    reference: str
    clause: str
    version: int
    maker_signed_at: datetime | None
    holder_signed_at: datetime | None


class AgreementDetailOut(AgreementOut):
    """An agreement with its text, terms, schedule and history."""

    zone: str
    terms: dict[str, Any]
    wording: str = Field(description="The whole signed text (markdown).")
    wording_sha256: str = Field(description="SHA-256 of `wording`; signatures name it.")
    framework_reference: str | None = Field(description="The framework of the first clause.")
    frameworks: list[FrameworkOut] = Field(description="One for each clause, in their order.")
    schedule: list[LineOut]
    title_words: str = Field(
        description="Whose units with the holder are and until when, where its terms keep the title; empty where they are sold."
    )
    law: list[FindingOut] = Field(description="What the legal limits said when it was offered. Not legal advice.")
    events: list[EventOut]
    holds: list[HoldOut] = Field(description="Legal holds that stand.")
    suspensions: list[SuspensionOut] = Field(description="Suspensions that their sides have not lifted.")


class SignIn(BodyIn):
    """A signature."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"wording_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}]
        }
    )
    wording_sha256: str | None = Field(
        default=None,
        pattern="^[0-9a-fA-F]{64}$",
        description="The hash of the text you read; where given, it must be the text on offer.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )


class SignedOut(BaseModel):
    """Where the agreement stands after a signature."""

    model_config = ConfigDict(from_attributes=True)
    agreement_id: UUID
    reference: str
    order_id: UUID | None
    status: Status
    side: Literal["maker", "holder"]
    wording_sha256: str
    framework_signed: bool
    waiting_for: UUID | None


class NoticeIn(BodyIn):
    """A holder's notice that it wants to use, fit, scrap or sell on units for which the clause asks it to be asked."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"part_id": "0198c0de-0000-7000-8000-000000000001", "act": "scrap", "quantity": 2},
                {
                    "part_id": "0198c0de-0000-7000-8000-000000000001", "act": "resell", "quantity": 2,
                    "offer": "140.00", "offered_by": "Harbor Machine Works",
                },
            ]
        }
    )  # fmt: skip
    part_id: UUID
    act: Literal["use", "install", "scrap", "resell"]
    quantity: int = Field(ge=1)
    offer: Decimal | None = Field(
        default=None, ge=0, max_digits=14, decimal_places=4,
        description="What somebody else has offered for one unit, in the currency of the sale.",
    )  # fmt: skip
    offered_by: str = Field(default="", max_length=200, description="Who has offered it, in writing.")
    note: str = Field(default="", max_length=500)


class NoticeOut(BaseModel):
    """Until when the manufacturer answers, and from when until when the act is clear, should the units not be ordered back
    meanwhile; `clear_from` null: no response is a no."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    needs: Literal["notice", "offer", "consent", "accession"]
    answer_by: datetime
    clear_from: datetime | None
    clear_until: datetime | None
    words: str


NoticeStanding = Literal["running", "cleared", "ordered", "used", "gone", "refused", "withdrawn", "stale"]


class NoticeRowOut(BaseModel):
    """A notice as it stands: units in it, ordered by the manufacturer, acted on by the holder, and left."""

    id: UUID
    agreement_id: UUID
    agreement: str
    part_id: UUID
    part_number: str
    maker: str
    holder: str
    act: Literal["use", "install", "scrap", "resell", "move_site"]
    needs: Literal["notice", "offer", "consent", "accession"]
    quantity: int
    ordered: int
    used: int
    left: int
    standing: NoticeStanding
    offer: Decimal | None
    offered_by: str | None
    currency: str
    note: str
    noticed_at: datetime
    answer_by: datetime
    clear_from: datetime | None
    clear_until: datetime | None
    answered_at: datetime | None
    answer_note: str

    @staticmethod
    def of(row: NoticeRow, now: datetime) -> NoticeRowOut:
        """A notice and where it stands at ``now``."""
        n = row.notice
        return NoticeRowOut(
            id=n.id, agreement_id=row.agreement_id, agreement=row.agreement, part_id=n.part_id, part_number=row.part_number,
            maker=row.maker, holder=row.holder, act=n.act.value, needs=n.needs.value, quantity=n.quantity, ordered=n.taken,
            used=n.used, left=n.left, standing=n.standing(now).value, offer=n.offer, offered_by=n.offered_by,
            currency=row.currency, note=n.note, noticed_at=n.at, answer_by=n.answer_by, clear_from=n.clear_from,
            clear_until=n.clear_until, answered_at=n.answered_at, answer_note=n.answer_note,
        )  # fmt: skip


class NoticeAnswerIn(BodyIn):
    """The manufacturer's answer to a notice that runs."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"agree": True, "note": "We have enough of them."}]})
    agree: bool = Field(
        description="True: the holder may act from now on. False: no, where the clause asks for consent."
    )
    note: str = Field(default="", max_length=500)


class ValueIn(BodyIn):
    """What a unit cost the holder, what it paid to receive it, or what it is worth, in the currency of the sale."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "part_id": "0198c0de-0000-7000-8000-000000000001", "kind": "market", "amount": "140.00",
                    "source": "Broker quotation 4711", "valued_on": "2026-11-20",
                }
            ]
        }
    )  # fmt: skip
    part_id: UUID
    kind: Literal["cost", "inbound_freight", "market"]
    amount: Decimal = Field(ge=0, max_digits=14, decimal_places=4)
    source: str = Field(
        min_length=1,
        max_length=200,
        description="Evidence, or who says so; a market value counts only from the source that the terms name.",
    )
    valued_on: date


class ValueOut(BaseModel):
    """A statement of a cost or value, by whom and when."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    part_id: UUID
    kind: Literal["cost", "inbound_freight", "market"]
    amount: Decimal
    source: str
    valued_on: date
    company: str
    at: datetime


class IndexOut(BaseModel):
    """An index on record: its months known, and the newest value."""

    model_config = ConfigDict(from_attributes=True)
    series: str
    months: int
    month: str = Field(examples=["2026-11"])
    value: Decimal | None
    source: str
    published_at: datetime
    ended: bool


class IndexValueOut(BaseModel):
    """A published value of a month; null: from this month on the index is no longer published."""

    model_config = ConfigDict(from_attributes=True)
    month: str = Field(examples=["2026-11"])
    value: Decimal | None
    published_at: datetime
    source: str


class ReasonIn(BodyIn):
    """Why: the other side reads it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "Export licence under review."}]})
    reason: str = Field(min_length=1, max_length=500)


class HoldIn(BodyIn):
    """Puts under legal hold, or lifts it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "held": True,
                    "reason": "Exports of these units were stopped.",
                    "basis": "Order 26-118 of the district court",
                }
            ]
        }
    )
    held: bool
    reason: str = Field(min_length=1, max_length=500)
    basis: str = Field(
        default="", max_length=200,
        description="The law, the order or the decision that it rests on: to be given where the agreement is under the second "
        "library of clauses. Not asked when a hold is lifted.",
    )  # fmt: skip


class MinimumIn(BodyIn):
    """Another minimum to keep for one line."""

    part_id: UUID
    minimum_to_keep: int = Field(ge=0)


class ProposalIn(BodyIn):
    """Other terms for an agreement, or that it ends. Give ``clause``, ``version`` and all ``terms`` for a change; neither
    for an end."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"ends": True, "note": "We close the site in spring.", "valid_days": 14}]}
    )
    ends: bool = Field(default=False, description="Proposes to end it; then no terms are given.")
    clause: str | None = Field(default=None, examples=["buy-back"])
    version: int | None = None
    terms: dict[str, Any] | None = Field(
        default=None, description="All terms as they are to be, not only what changes."
    )
    further: list[NamedClauseIn] = Field(
        default_factory=list, max_length=4, description="Clauses to stand beside the first, with all their terms."
    )
    minimums: list[MinimumIn] = Field(
        default_factory=list, max_length=2_000, description="Lines whose minimum to keep is to be another."
    )
    note: str = Field(default="", max_length=500)
    valid_days: int = Field(default=30, ge=1, le=180, description="How long it can be answered.")

    @property
    def beside(self) -> tuple[NamedClause, ...]:
        """The further clauses as the service takes them."""
        return tuple(clause.named for clause in self.further)


class DifferenceOut(BaseModel):
    """One term that changes."""

    model_config = ConfigDict(from_attributes=True)
    term: str = Field(examples=["window_end_months"])
    label: str = Field(examples=["Window end months"])
    before: str = Field(examples=["96 months"])
    after: str = Field(examples=["120 months"])


class ProposalOut(BaseModel):
    """A proposal to change, to end or to renew an agreement, or of other terms (``terms``) for one that not both have signed."""

    id: UUID
    agreement_id: UUID
    kind: Literal["change", "end", "terms", "renewal"]
    status: Literal["open", "accepted", "declined", "withdrawn", "countered", "lapsed"]
    proposed_by: str = Field(description="The company that made and signed it.")
    proposed_at: datetime
    valid_until: datetime
    answers_id: UUID | None = Field(description="The proposal of the other side that it counters.")
    note: str
    reason: str | None = Field(description="Why it was declined.")
    reference: str | None = Field(description="Of the agreement to come; null where it ends or is renewed.")
    differences: list[DifferenceOut]
    terms: dict[str, Any] | None
    further: list[NamedClauseOut]
    wording: str = Field(description="The text that both sign (markdown).")
    wording_sha256: str


class AcceptedOut(BaseModel):
    """What the second signature brought about."""

    model_config = ConfigDict(from_attributes=True)
    agreement_id: UUID | None = Field(description="The agreement that holds now; null where it ended.")
    reference: str | None
    units: int = Field(description="Units that moved to it, or that are free of the right now.")


class NonRenewalIn(BodyIn):
    """Notice that an agreement is not to be renewed."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "We close the site.", "ends_on": "2031-11-30"}]}
    )
    reason: str = Field(min_length=1, max_length=500, description="The other side reads it.")
    ends_on: date | None = Field(
        default=None, description="The last day you have seen; where it has been renewed since, the notice is refused."
    )


class RenewalIn(BodyIn):
    """An offer to renew an agreement."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "Another year?", "valid_days": 30}]})
    note: str = Field(default="", max_length=500)
    valid_days: int = Field(default=30, ge=1, le=180, description="Never longer than until the terms' own deadline.")


class TermOut(BaseModel):
    """How an agreement ends or goes on."""

    agreement_id: UUID
    renewal: Literal["none", "by_agreement", "automatic"] = Field(description="Terms of the first library: none.")
    renewals: int = Field(description="So far.")
    last_day: date = Field(description="Of the right's window.")
    ended_on: date | None = Field(default=None, description="Where it ended, or was replaced, before its window did.")
    decide_by: datetime | None = Field(
        description="Until when, exclusive, a renewal is agreed on or notice against it is given; null where there is none."
    )
    renews_until: date | None
    survives_until: date | None = Field(description="Duties to report, count and pay go on until then.")
    non_renewal_at: datetime | None = Field(description="When notice against the renewal was given.")
    words: str


class StandingOut(BaseModel):
    """How an agreement stands after it was suspended, resumed, held or closed."""

    agreement_id: UUID
    status: Status
    legal_hold: bool = Field(description="Whether a legal hold of either side stands.")
    suspension_ends_at: datetime | None = Field(
        default=None, description="Exclusive: when a suspension ends by itself."
    )
    holds: list[HoldOut] = Field(default=[], description="Legal holds that stand.")
    suspensions: list[SuspensionOut] = Field(default=[], description="Suspensions that stand, of either side.")
