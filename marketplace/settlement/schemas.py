"""Settlement on the wire."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.kit.errors import invalid
from marketplace.kit.money import MAX_AMOUNT, Money
from marketplace.kit.wire import EXAMPLE_ID, BodyIn, Day
from marketplace.settlement.kinds import LineKind
from marketplace.settlement.queries import AllocationRow, PaymentRow
from marketplace.settlement.states import LineState

Amount = Annotated[Decimal, Field(gt=0, le=MAX_AMOUNT, max_digits=16, decimal_places=4, examples=["270.30"])]
CurrencyCode = Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["USD"])]


class SettlementOut(BaseModel):
    """What one company owes another, and why."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    reference: str = Field(examples=["SET-7F3K2Q"])
    payer_id: UUID
    payer: str
    payee_id: UUID
    payee: str
    kind: str = Field(examples=["call_price"], description="One of: " + ", ".join(LineKind))
    cause_id: UUID
    cause_reference: str = Field(examples=["CALL-9XK2WD"])
    agreement_id: UUID | None
    agreement: str | None
    part_id: UUID
    number: str
    description: str
    uom: str | None = Field(description="None where nothing is counted by the unit, as of a premium or damages.")
    quantity: int | None = Field(description="None where it is owed as one sum.")
    unit_price: Decimal | None = Field(description="None where it is owed as one sum.")
    amount: Decimal
    currency: str = Field(examples=["USD"])
    words: str
    due_on: date
    state: LineState
    allocated: Decimal = Field(description="What at least one side says was paid.")
    paid: Decimal = Field(description="What both sides say was paid, in money or by set-off.")
    credited: Decimal = Field(description="What credits took off, which is no payment.")
    disputed: Decimal = Field(description="What is not due while it is in dispute.")
    due_amount: Decimal = Field(description="What is neither paid nor credited, and not in dispute.")
    counters_id: UUID | None = Field(description="The line that this one takes back part of.")
    document: str | None = Field(description="The number of the paper that it goes by, of freight the carrier's.")
    object_by: datetime | None = Field(description="Until when the payer may object.")
    condition: str | None = Field(description="The condition that units came back in, which it pays them by.")
    payer_marked_at: datetime | None
    payee_marked_at: datetime | None
    settled: bool = Field(description="Both sides have marked it.")
    waiting_for: list[str] = Field(examples=[["payee"]])
    created_at: datetime


class SettlementTotalOut(BaseModel):
    """Sums by side (payer: you owe) and currency."""

    model_config = ConfigDict(from_attributes=True)
    side: str
    currency: str
    open_lines: int
    open_amount: Decimal
    overdue_amount: Decimal
    disputed_amount: Decimal = Field(description="Not due while it is in dispute.")
    settled_amount: Decimal = Field(description="What was paid.")
    credited_amount: Decimal = Field(description="What credits took off.")
    waiting: int = Field(description="Lines that wait for your mark.")


class AllocationOut(BaseModel):
    """How much of a payment pays which line."""

    model_config = ConfigDict(from_attributes=True)
    payment_id: UUID
    payment: str = Field(examples=["PAY-7F3K2Q"])
    how: str
    paid_on: date
    status: str
    line_id: UUID
    line: str = Field(examples=["SET-7F3K2Q"])
    cause_reference: str
    amount: Decimal
    currency: str


class LineDetailOut(SettlementOut):
    """A line with what pays it and the lines that take back part of it."""

    payments: list[AllocationOut]
    counter_lines: list[SettlementOut]


class PaymentOut(BaseModel):
    """What one company paid another, as one side says or both."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    reference: str = Field(examples=["PAY-7F3K2Q"])
    from_id: UUID
    payer: str
    to_id: UUID
    payee: str
    currency: str
    amount: Decimal
    allocated: Decimal = Field(description="How much of it pays lines; of a set-off, on either side.")
    paid_on: date
    bank_reference: str
    how: str = Field(description="recorded, imported, marked (with a line), set_off, credit or reversal")
    status: str = Field(description="waits_for_payer, waits_for_payee, confirmed or reversed")
    payer_at: datetime | None
    payee_at: datetime | None
    reverses_id: UUID | None
    reversed_at: datetime | None
    note: str
    created_at: datetime


class PaymentDetailOut(PaymentOut):
    """A payment with the lines that it pays."""

    allocations: list[AllocationOut]

    @classmethod
    def of_rows(cls, row: PaymentRow, allocations: list[AllocationRow]) -> PaymentDetailOut:
        """The wire form."""
        one = PaymentOut.model_validate(row).model_dump()
        return cls(**one, allocations=[AllocationOut.model_validate(a) for a in allocations])


class ShareIn(BodyIn):
    """How much of a payment is for a line; without an amount, all that is left of it."""

    line_id: UUID
    amount: Amount | None = None


def shares_of(lines: list[ShareIn]) -> dict[UUID, Decimal | None]:
    """By line. Raises ``payment.line`` for a line that is named twice."""
    found = {share.line_id: share.amount for share in lines}
    if len(found) < len(lines):
        raise invalid("payment.line", "Name each line once.", field="lines")
    return found


class PaymentIn(BodyIn):
    """A payment between your company and another: what was paid, when, and for which lines."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "direction": "paid", "other_id": EXAMPLE_ID, "amount": "270.30", "currency": "USD",
                    "paid_on": "2026-11-20", "bank_reference": "WIRE 4711", "lines": [{"line_id": EXAMPLE_ID}],
                }
            ]
        }
    )  # fmt: skip
    direction: Literal["paid", "received"] = Field(description="Whether you paid it or received it.")
    other_id: UUID
    amount: Amount
    currency: CurrencyCode
    paid_on: Day
    bank_reference: str = Field(default="", max_length=140)
    lines: list[ShareIn] = Field(default_factory=list, max_length=500)

    def money(self) -> Money:
        """The amount with its currency."""
        return Money(self.amount, self.currency)


class AllocateIn(BodyIn):
    """Which lines the rest of a payment is for."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"lines": [{"line_id": EXAMPLE_ID, "amount": "120.00"}]}]}
    )
    lines: list[ShareIn] = Field(min_length=1, max_length=500)


class ReasonIn(BodyIn):
    """Why a payment is taken back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "The bank returned it."}]})
    reason: str = Field(min_length=1, max_length=500)


class CreditIn(BodyIn):
    """How much of a line you take back, and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": "30.00", "words": "One seal was missing."}]})
    amount: Amount
    words: str = Field(min_length=1, max_length=500)


class SetOffIn(BodyIn):
    """What is netted with another company in one currency; without ``line_ids`` all that is open and not in dispute."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"other_id": EXAMPLE_ID, "currency": "USD"}]})
    other_id: UUID
    currency: CurrencyCode
    line_ids: list[UUID] = Field(default_factory=list, max_length=500)


class PaymentsFileIn(BodyIn):
    """A CSV of payments with the columns reference, amount, date and lines (and currency), as text. ``record`` false says
    what would become of each row and changes nothing."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "text": "reference,amount,date,lines\nWIRE 4711,270.30,2026-11-20,SET-7F3K2Q SET-8G4L3R\n",
                    "record": False,
                }
            ]
        }
    )
    text: str = Field(min_length=1, max_length=500_000)
    record: bool = False


class JudgedOut(BaseModel):
    """What becomes of one row: good (it lands), known (recorded before) or bad, with every reason."""

    row: int
    fate: str = Field(examples=["good"])
    reference: str
    amount: str
    currency: str
    paid_on: date | None
    lines: list[str]
    other: str
    problems: list[str]


class PaymentsFileOut(BaseModel):
    """What became (or would become) of a file's rows."""

    recorded: bool
    good: int
    known: int
    bad: int
    rows: list[JudgedOut]


class BalanceOut(BaseModel):
    """What became of one currency in a month with one company. Amounts above zero are in your favour: the other one owes
    them."""

    model_config = ConfigDict(from_attributes=True)
    other_id: UUID
    other: str
    currency: str = Field(examples=["USD"])
    opening: Decimal
    lines: Decimal
    credits: Decimal
    payments: Decimal
    taken_back: Decimal
    set_off: Decimal = Field(description="Taken off on both sides alike.")
    closing: Decimal
    entries: int


class StatementOut(BaseModel):
    """A month with one company."""

    company: str
    other_id: UUID
    other: str
    month: str = Field(examples=["2026-11"])
    final: bool = Field(description="Nothing will change in it any more.")
    balances: list[BalanceOut]


class EntryOut(BaseModel):
    """One fact of a statement."""

    model_config = ConfigDict(from_attributes=True)
    known_at: datetime = Field(description="Since when it counts: written, or said by both sides.")
    record_id: UUID = Field(description="The line or the payment.")
    what: str = Field(description="line, credit, payment, set_off or taken_back")
    kind: str
    reference: str
    about: str
    on: date
    due_on: date | None
    currency: str
    in_favour: Decimal = Field(description="What it adds to what the other company owes you.")
    against: Decimal


class DisputeIn(BodyIn):
    """How much of a line you dispute, why, and how much of that you would pay."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"amount": "60.00", "offer": "20.00", "reason": "damaged", "words": "The housing is cracked."}]
        }
    )
    amount: Amount
    offer: Decimal = Field(default=Decimal(0), ge=0, le=MAX_AMOUNT, max_digits=16, decimal_places=4)
    reason: Literal["lower_grade", "damaged", "wrong_part", "papers", "quantity", "price", "not_owed", "other"]
    words: str = Field(min_length=1, max_length=500)


class StatementIn(BodyIn):
    """What you say."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"words": "It was whole when we packed it."}]})
    words: str = Field(min_length=1, max_length=500)


class ProposalIn(BodyIn):
    """How much of what is in dispute is owed; of rejected units also how many the manufacturer keeps. Of a condition only the
    `condition`: the amount follows from it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": "40.00", "words": "Half of it."}]})
    amount: Decimal | None = Field(default=None, ge=0, le=MAX_AMOUNT, max_digits=16, decimal_places=4)
    quantity: int | None = Field(default=None, ge=0)
    condition: str | None = Field(default=None, max_length=40, examples=["used_tested"])
    words: str = Field(default="", max_length=500)


class DisputeOut(BaseModel):
    """What one side does not accept."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    reference: str = Field(examples=["DSP-7F3K2Q"])
    subject: str = Field(
        description="line, grade (of accepted units), condition (that they were found in) or units (that were rejected)"
    )
    line_id: UUID | None
    line: str | None
    cause_id: UUID
    cause_reference: str
    payer_id: UUID
    payer: str
    payee_id: UUID
    payee: str
    opened_by: UUID
    reason: str
    currency: str
    amount: Decimal = Field(description="What is in dispute; of units, what they would cost.")
    quantity: int | None
    respond_by: datetime = Field(description="Nothing is agreed by silence.")
    status: str = Field(description="open, agreed or withdrawn")
    waits_for: UUID | None
    agreed_amount: Decimal | None
    agreed_quantity: int | None
    found: str | None = Field(description="The condition that units were found in, where that is in dispute.")
    agreed_condition: str | None
    ended_at: datetime | None
    created_at: datetime


class ThreadOut(BaseModel):
    """What one side said or proposed."""

    model_config = ConfigDict(from_attributes=True)
    company_id: UUID
    company: str
    kind: str
    words: str
    amount: Decimal | None
    quantity: int | None
    condition: str | None
    at: datetime


class DisputeDetailOut(DisputeOut):
    """A dispute with all that was said in it."""

    thread: list[ThreadOut]
