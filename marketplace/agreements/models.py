"""Rows of agreements."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db.base import Created, Currency, Id, Row

_LIVE = "status IN ('active', 'renewed', 'expiring')"
_STANDS = "suspension_ends_at IS NOT NULL"
_TO_DECIDE = f"decide_by IS NOT NULL AND non_renewal_at IS NULL AND {_LIVE}"


class ClauseVersion(Row):
    """A released clause, as published from contracts/. Rows never change; anybody may read them."""

    __tablename__ = "clause_version"
    clause: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str]
    sha256: Mapped[bytes] = mapped_column(BYTEA)
    wording: Mapped[str]
    terms_schema: Mapped[dict[str, Any]]
    published_at: Mapped[Created]


class Framework(Row):
    """Signed once per pair of companies and clause version; schedules hang on it."""

    __tablename__ = "framework"
    id: Mapped[Id]
    reference: Mapped[str] = mapped_column(unique=True)
    maker_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    holder_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), index=True)
    clause: Mapped[str]
    version: Mapped[int]
    clause_sha256: Mapped[bytes] = mapped_column(BYTEA)
    maker_signed_by: Mapped[UUID | None]
    maker_signed_at: Mapped[datetime | None]
    holder_signed_by: Mapped[UUID | None]
    holder_signed_at: Mapped[datetime | None]
    created_at: Mapped[Created]
    __table_args__ = (
        ForeignKeyConstraint(["clause", "version"], ["clause_version.clause", "clause_version.version"]),
        UniqueConstraint("maker_id", "holder_id", "clause", "version"),
        CheckConstraint("maker_id <> holder_id", name="not_self"),
    )


class Agreement(Row):
    """A schedule under a framework: the signed instance that a position points at. ``dated_by_signature``: the second signature gives
    it its ``schedule_date``, which is the day of the offer until then. ``maker_id`` may call. ``decide_by``:
    until when a renewal is agreed on or notice against it is given, exclusive; ``survives_until``: the end of the duties
    that outlive the right; ``frozen_days``: of insolvencies that lengthen the window. ``suspension_ends_at``: when the suspension
    that it is under ends by itself; ``hold_adds_days``: the days of the legal hold that it is under lengthen the window.
    ``storage_years``: years for which the fee
    for storage was settled; ``storage_due_at``: when the next one is over, where a clause states a fee."""

    __tablename__ = "agreement"
    id: Mapped[Id]
    reference: Mapped[str] = mapped_column(unique=True)
    framework_id: Mapped[UUID] = mapped_column(ForeignKey("framework.id"), index=True)
    maker_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), index=True)
    holder_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), index=True)
    order_id: Mapped[UUID | None] = mapped_column(unique=True)
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agreement.id"))
    replaces_id: Mapped[UUID | None] = mapped_column(ForeignKey("agreement.id"), unique=True)
    clause: Mapped[str]
    version: Mapped[int]
    terms: Mapped[dict[str, Any]]
    further: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    currency: Mapped[Currency]
    use_class: Mapped[str]
    zone: Mapped[str]
    schedule_date: Mapped[date]
    dated_by_signature: Mapped[bool] = mapped_column(server_default=text("false"))
    status: Mapped[str]
    status_reason: Mapped[str | None]
    legal_hold: Mapped[bool] = mapped_column(server_default=text("false"))
    wording: Mapped[str]
    wording_sha256: Mapped[bytes] = mapped_column(BYTEA)
    exercises: Mapped[int] = mapped_column(server_default=text("0"))
    tolled_days: Mapped[int] = mapped_column(server_default=text("0"))
    frozen_days: Mapped[int] = mapped_column(server_default=text("0"))
    exported_on: Mapped[date | None]
    renewals: Mapped[int] = mapped_column(server_default=text("0"))
    decide_by: Mapped[datetime | None]
    non_renewal_at: Mapped[datetime | None]
    non_renewal_by: Mapped[UUID | None]
    survives_until: Mapped[datetime | None]
    storage_years: Mapped[int] = mapped_column(server_default=text("0"))
    storage_due_at: Mapped[datetime | None]
    suspended_on: Mapped[date | None]
    suspended_by: Mapped[UUID | None]
    suspension_ends_at: Mapped[datetime | None]
    hold_adds_days: Mapped[bool] = mapped_column(server_default=text("false"))
    window_opens_at: Mapped[datetime]
    window_closes_at: Mapped[datetime]
    counts_out_at: Mapped[datetime | None]
    return_by: Mapped[datetime | None]
    maker_signed_by: Mapped[UUID | None]
    maker_signed_at: Mapped[datetime | None]
    holder_signed_by: Mapped[UUID | None]
    holder_signed_at: Mapped[datetime | None]
    created_at: Mapped[Created]
    __table_args__ = (
        ForeignKeyConstraint(["clause", "version"], ["clause_version.clause", "clause_version.version"]),
        CheckConstraint(
            "status IN ('offered','active','suspended','expiring','run_off','closed','terminated','superseded',"
            "'withdrawn')",
            name="status",
        ),
        CheckConstraint("use_class IN ('intermediate_good','non_capital_spare')", name="use_class"),
        CheckConstraint("exercises >= 0 AND tolled_days >= 0", name="counters"),
        CheckConstraint("renewals >= 0 AND frozen_days >= 0", name="renewals"),
        CheckConstraint("suspension_ends_at IS NULL OR status = 'suspended'", name="suspension"),
        CheckConstraint("legal_hold OR NOT hold_adds_days", name="hold_adds"),
        Index("ix_agreement_suspension", "suspension_ends_at", postgresql_where=text(_STANDS)),
        *(
            Index(f"ix_agreement_{side}_suspension", f"{side}_id", "suspension_ends_at", postgresql_where=text(_STANDS))
            for side in ("maker", "holder")
        ),
        CheckConstraint("storage_years >= 0", name="storage"),
        Index("ix_agreement_storage", "storage_due_at", postgresql_where=text("storage_due_at IS NOT NULL")),
        CheckConstraint("(non_renewal_at IS NULL) = (non_renewal_by IS NULL)", name="non_renewal"),
        Index("ix_agreement_maker_status", "maker_id", "status", "id"),
        Index("ix_agreement_window", "maker_id", "window_closes_at"),
        Index("ix_agreement_ending", "window_closes_at", postgresql_where=text("status IN ('active','expiring')")),
        # The calendar: windows of agreements in force, in order, for either side; and for the clock.
        *(
            Index(f"ix_agreement_{side}_{end}", f"{side}_id", f"window_{end}_at", "id", postgresql_where=text(_LIVE))
            for side in ("maker", "holder")
            for end in ("opens", "closes")
        ),
        Index("ix_agreement_closes", "window_closes_at", postgresql_where=text(_LIVE)),
        Index("ix_agreement_decide", "decide_by", postgresql_where=text(_TO_DECIDE)),
        Index("ix_agreement_maker_decide", "maker_id", "decide_by", postgresql_where=text(_TO_DECIDE)),
        Index("ix_agreement_holder_decide", "holder_id", "decide_by", postgresql_where=text(_TO_DECIDE)),
        # The clock: when units that stayed the maker's count as taken out.
        Index(
            "ix_agreement_counts_out",
            "counts_out_at",
            postgresql_where=text("status IN ('active','expiring','run_off') AND counts_out_at IS NOT NULL"),
        ),
        Index(
            "ix_agreement_return_by",
            "return_by",
            postgresql_where=text("status IN ('active','expiring','run_off') AND return_by IS NOT NULL"),
        ),
        Index("ix_agreement_run_off", "survives_until", postgresql_where=text("status IN ('run_off', 'terminated')")),
    )


class AgreementLine(Row):
    """The units one agreement covers, by part. ``bought``: of those that the holder still has, so many count as taken out and
    become its own when they are paid. ``taken_above``: of those taken back, so many under a clause that reaches units above the minimum
    to keep, where another one reaches only the minimum: they do not use it up."""

    __tablename__ = "agreement_line"
    agreement_id: Mapped[UUID] = mapped_column(ForeignKey("agreement.id"), primary_key=True)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), primary_key=True, index=True)
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    quantity_sold: Mapped[int]
    sale_price: Mapped[Decimal]
    list_price: Mapped[Decimal | None]
    minimum_to_keep: Mapped[int]
    taken_back: Mapped[int] = mapped_column(server_default=text("0"))
    not_accepted: Mapped[int] = mapped_column(server_default=text("0"))
    minimum_passed_on: Mapped[int] = mapped_column(server_default=text("0"))
    bought: Mapped[int] = mapped_column(server_default=text("0"))
    taken_above: Mapped[int] = mapped_column(server_default=text("0"))
    __table_args__ = (
        CheckConstraint("quantity_sold > 0 AND sale_price >= 0", name="positive"),
        CheckConstraint("minimum_to_keep BETWEEN 0 AND quantity_sold", name="minimum"),
        CheckConstraint("taken_back >= 0", name="taken_back"),
        CheckConstraint("taken_above BETWEEN 0 AND taken_back", name="taken_above"),
        CheckConstraint("minimum_passed_on BETWEEN 0 AND minimum_to_keep", name="passed_on"),
        CheckConstraint("not_accepted BETWEEN 0 AND quantity_sold", name="not_accepted"),
        CheckConstraint("bought BETWEEN 0 AND quantity_sold", name="bought"),
    )


class AgreementClassification(Row):
    """How one class of units of a line was classified for the maker's books when the schedule was made, with the tests
    asked (``trace``) and the discount rate of that day. Rows never change; the maker alone reads them."""

    __tablename__ = "agreement_classification"
    agreement_id: Mapped[UUID] = mapped_column(primary_key=True)
    part_id: Mapped[UUID] = mapped_column(primary_key=True)
    unit_class: Mapped[str] = mapped_column(primary_key=True)
    maker_id: Mapped[UUID]
    units: Mapped[int]
    kind: Mapped[str]
    needs_rate: Mapped[bool]
    trace: Mapped[list[Any]]
    rate_bp: Mapped[int | None]
    at: Mapped[datetime]
    __table_args__ = (
        ForeignKeyConstraint(["agreement_id", "part_id"], ["agreement_line.agreement_id", "agreement_line.part_id"]),
        CheckConstraint("units > 0", name="units"),
        CheckConstraint("unit_class IN ('floor','free','reserve')", name="unit_class"),
        CheckConstraint(
            "kind IN ('sale','sale_with_return','lease','financing','consignment','judgement')", name="kind"
        ),
    )


class AgreementProposal(Row):
    """What one side proposes to change in an agreement, other terms for one that not both have signed, or that it ends or is
    renewed, signed by whoever proposes it. The other side's
    signature carries it out; of one agreement one is open at a time."""

    __tablename__ = "agreement_proposal"
    id: Mapped[Id]
    agreement_id: Mapped[UUID] = mapped_column(ForeignKey("agreement.id"))
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    kind: Mapped[str]
    answers_id: Mapped[UUID | None] = mapped_column(ForeignKey("agreement_proposal.id"), unique=True)
    reference: Mapped[str | None] = mapped_column(unique=True)
    clause: Mapped[str | None]
    version: Mapped[int | None]
    terms: Mapped[dict[str, Any] | None]
    further: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    minimums: Mapped[dict[str, Any] | None]
    wording: Mapped[str]
    wording_sha256: Mapped[bytes] = mapped_column(BYTEA)
    note: Mapped[str]
    proposed_by: Mapped[UUID]
    proposed_by_user: Mapped[UUID]
    proposed_at: Mapped[datetime]
    valid_until: Mapped[datetime]
    status: Mapped[str]
    answered_by_user: Mapped[UUID | None]
    answered_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    __table_args__ = (
        CheckConstraint("kind IN ('change','end','terms','renewal')", name="kind"),
        CheckConstraint("status IN ('open','accepted','declined','withdrawn','countered','lapsed')", name="status"),
        CheckConstraint(
            "(kind IN ('end','renewal')) = (terms IS NULL) AND (terms IS NULL) = (reference IS NULL) "
            "AND (terms IS NULL) = (clause IS NULL) AND (terms IS NULL) = (version IS NULL) "
            "AND (terms IS NULL) = (minimums IS NULL)",
            name="terms",
        ),
        CheckConstraint("(status = 'open') = (answered_at IS NULL)", name="answered"),
        ForeignKeyConstraint(["clause", "version"], ["clause_version.clause", "clause_version.version"]),
        Index("ix_agreement_proposal_agreement_id", "agreement_id", "id"),
        Index("uq_agreement_proposal_open", "agreement_id", unique=True, postgresql_where=text("status = 'open'")),
        Index("ix_agreement_proposal_due", "valid_until", postgresql_where=text("status = 'open'")),
        Index("ix_agreement_proposal_maker", "maker_id", "valid_until", postgresql_where=text("status = 'open'")),
        Index("ix_agreement_proposal_holder", "holder_id", "valid_until", postgresql_where=text("status = 'open'")),
    )


class AgreementEvent(Row):
    """What happened to an agreement or framework, in order, for both sides."""

    __tablename__ = "agreement_event"
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    subject_id: Mapped[UUID] = mapped_column(index=True)
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    kind: Mapped[str]
    detail: Mapped[dict[str, Any]]
    company_id: Mapped[UUID]
    actor_id: Mapped[UUID]
    at: Mapped[datetime]
    __table_args__ = (Index("ix_agreement_event_activity", "company_id", "at"),)


_STANDING = text("status IN ('open','agreed') AND quantity > taken + used")


class Notice(Row):
    """A holder's notice that it wants to do something with units that the maker may order instead, or must agree to. Dates are
    computed once, when it is given; ``clear_from`` null = no response is a no. ``taken``: units of it that the maker ordered;
    ``used``: units that the holder has acted on."""

    __tablename__ = "notice"
    id: Mapped[Id]
    agreement_id: Mapped[UUID]
    part_id: Mapped[UUID]
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    act: Mapped[str]
    needs: Mapped[str]
    quantity: Mapped[int]
    taken: Mapped[int] = mapped_column(server_default=text("0"))
    used: Mapped[int] = mapped_column(server_default=text("0"))
    offer: Mapped[Decimal | None]
    offered_by: Mapped[str | None]
    note: Mapped[str] = mapped_column(server_default="")
    status: Mapped[str] = mapped_column(server_default="open")
    noticed_at: Mapped[datetime]
    answer_by: Mapped[datetime]
    clear_from: Mapped[datetime | None]
    clear_until: Mapped[datetime | None]
    given_by: Mapped[UUID]
    answered_by: Mapped[UUID | None]
    answered_at: Mapped[datetime | None]
    answer_note: Mapped[str] = mapped_column(server_default="")
    __table_args__ = (
        ForeignKeyConstraint(["agreement_id", "part_id"], ["agreement_line.agreement_id", "agreement_line.part_id"]),
        CheckConstraint("act IN ('use','install','scrap','resell','move_site')", name="act"),
        CheckConstraint("needs IN ('notice','offer','consent')", name="needs"),
        CheckConstraint("status IN ('open','agreed','refused','withdrawn')", name="status"),
        CheckConstraint("(status = 'open') = (answered_at IS NULL)", name="answered"),
        CheckConstraint("quantity > 0 AND taken >= 0 AND used >= 0 AND taken + used <= quantity", name="units"),
        CheckConstraint("(clear_from IS NULL) = (clear_until IS NULL)", name="clearance"),
        CheckConstraint("offer IS NULL OR (offer >= 0 AND offered_by IS NOT NULL)", name="offer"),
        Index("ix_notice_agreement", "agreement_id", "part_id", "id"),
        *(Index(f"ix_notice_{side}", f"{side}_id", "id", postgresql_where=_STANDING) for side in ("maker", "holder")),
        *(
            Index(f"ix_notice_{side}_{name}", f"{side}_id", date, postgresql_where=_STANDING)
            for side in ("maker", "holder")
            for name, date in (("answer", "answer_by"), ("until", "clear_until"))
        ),
        # The calendar's reminders look over all companies.
        Index("ix_notice_answer_by", "answer_by", postgresql_where=_STANDING),
        Index("ix_notice_clear_until", "clear_until", postgresql_where=_STANDING),
    )


class NoticeUse(Row):
    """Units that the holder acted on under a notice, by the leave that they were given. Rows never change."""

    __tablename__ = "notice_use"
    permit_id: Mapped[UUID] = mapped_column(primary_key=True)
    notice_id: Mapped[UUID] = mapped_column(ForeignKey("notice.id"), index=True)
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    units: Mapped[int]
    at: Mapped[datetime]
    __table_args__ = (CheckConstraint("units > 0", name="units"),)


class ShelfLife(Row):
    """Units of a part whose shelf life ends on one day, before the right does: both sides were told, and where scrapping needs
    asking a notice was given in the holder's name. ``ends_at``: the moment after that day where the agreement counts its days.
    Only added."""

    __tablename__ = "shelf_life"
    id: Mapped[Id]
    agreement_id: Mapped[UUID]
    part_id: Mapped[UUID]
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    quantity: Mapped[int]
    expires_on: Mapped[date]
    ends_at: Mapped[datetime]
    notice_id: Mapped[UUID | None] = mapped_column(ForeignKey("notice.id"))
    words: Mapped[str]
    at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        ForeignKeyConstraint(["agreement_id", "part_id"], ["agreement_line.agreement_id", "agreement_line.part_id"]),
        Index("ix_shelf_life_agreement", "agreement_id", "part_id"),
        Index("ix_shelf_life_notice_id", "notice_id", postgresql_where=text("notice_id IS NOT NULL")),
        Index("ix_shelf_life_maker", "maker_id", "ends_at"),
        Index("ix_shelf_life_holder", "holder_id", "ends_at"),
        # The calendar's reminders look over all companies.
        Index("ix_shelf_life_ends", "ends_at"),
    )


class ShelfLifeLot(Row):
    """A lot of which it was told under an agreement: once. Only added."""

    __tablename__ = "shelf_life_lot"
    agreement_id: Mapped[UUID] = mapped_column(primary_key=True)
    lot_id: Mapped[UUID] = mapped_column(primary_key=True)
    shelf_life_id: Mapped[UUID] = mapped_column(ForeignKey("shelf_life.id"), index=True)
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]


class TakingOut(Row):
    """Units that stayed the maker's until they were taken out: so many, at which price, why, due when. ``on_payment``: they
    become the holder's with the payment, otherwise they did at once. ``undoes_id``: takes back another one, whose use was
    recorded wrongly. Rows never change."""

    __tablename__ = "taking_out"
    id: Mapped[Id]
    agreement_id: Mapped[UUID] = mapped_column(ForeignKey("agreement.id"))
    part_id: Mapped[UUID]
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    quantity: Mapped[int]
    unit_price: Mapped[Decimal]
    why: Mapped[str]
    on_payment: Mapped[bool]
    taken_at: Mapped[datetime]
    due_on: Mapped[date]
    command_id: Mapped[UUID | None]
    undoes_id: Mapped[UUID | None] = mapped_column(ForeignKey("taking_out.id"))
    company_id: Mapped[UUID]
    actor_id: Mapped[UUID]
    at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("quantity > 0 AND unit_price >= 0", name="positive"),
        CheckConstraint(
            "why IN ('use','install','resell','scrap','without_leave','lay_too_long','at_end')", name="why"
        ),
        Index("ix_taking_out_agreement_id", "agreement_id", "id"),
        Index("ix_taking_out_command_id", "command_id", postgresql_where=text("command_id IS NOT NULL")),
        Index("ix_taking_out_undoes_id", "undoes_id", postgresql_where=text("undoes_id IS NOT NULL")),
    )


class TitleDue(Row):
    """Title that a payment (``cause_id``: the settlement line) passes to so many units of a part, once; those that were
    reserved then wait until they are free. Only ``passed`` changes."""

    __tablename__ = "title_due"
    cause_id: Mapped[UUID] = mapped_column(primary_key=True)
    agreement_id: Mapped[UUID] = mapped_column(ForeignKey("agreement.id"))
    part_id: Mapped[UUID]
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    quantity: Mapped[int]
    passed: Mapped[int] = mapped_column(server_default=text("0"))
    at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("quantity > 0 AND passed BETWEEN 0 AND quantity", name="passed"),
        Index("ix_title_due_agreement_id", "agreement_id", "part_id"),
        Index("ix_title_due_waits", "cause_id", postgresql_where=text("passed < quantity")),
    )


class AgreementExercise(Row):
    """An order under an agreement: how many units, when, and how many of them a notice had offered. ``undone_at``: it was
    cancelled or, under the second library, ended without a unit shipped, so that it counts for nothing; so does one in place of rejected
    units from the beginning. ``above``: it was made under a clause that reaches units above the minimum to keep, where another one reaches
    only the minimum."""

    __tablename__ = "agreement_exercise"
    call_id: Mapped[UUID] = mapped_column(primary_key=True)
    agreement_id: Mapped[UUID]
    part_id: Mapped[UUID]
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    units: Mapped[int]
    at: Mapped[datetime]
    notice_id: Mapped[UUID | None] = mapped_column(ForeignKey("notice.id"))
    notice_units: Mapped[int] = mapped_column(server_default=text("0"))
    undone_at: Mapped[datetime | None]
    above: Mapped[bool] = mapped_column(server_default=text("false"))
    __table_args__ = (
        ForeignKeyConstraint(["agreement_id", "part_id"], ["agreement_line.agreement_id", "agreement_line.part_id"]),
        CheckConstraint("units > 0 AND notice_units BETWEEN 0 AND units", name="units"),
        CheckConstraint("(notice_id IS NULL) = (notice_units = 0)", name="notice"),
        Index("ix_agreement_exercise_agreement", "agreement_id", "part_id", "at"),
        Index("ix_agreement_exercise_above", "call_id", postgresql_where=text("above")),
        Index("ix_agreement_exercise_notice_id", "notice_id", postgresql_where=text("notice_id IS NOT NULL")),
    )


class IndexValue(Row):
    """A value of a published index for a month, as published at a moment; null = the index ended with that month. A later
    correction is another row. Anybody may read them."""

    __tablename__ = "index_value"
    series: Mapped[str] = mapped_column(primary_key=True)
    month: Mapped[str] = mapped_column(primary_key=True)
    published_at: Mapped[datetime] = mapped_column(primary_key=True)
    value: Mapped[Decimal | None]
    source: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    __table_args__ = (
        CheckConstraint("value IS NULL OR value > 0", name="value"),
        CheckConstraint("month ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'", name="month"),
    )


class UnitValue(Row):
    """What one side states that a unit cost, or is worth, with its source and the day of it. The newest of a kind counts."""

    __tablename__ = "unit_value"
    id: Mapped[Id]
    agreement_id: Mapped[UUID]
    part_id: Mapped[UUID]
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    kind: Mapped[str]
    amount: Mapped[Decimal]
    source: Mapped[str]
    valued_on: Mapped[date]
    company_id: Mapped[UUID]
    user_id: Mapped[UUID]
    at: Mapped[datetime]
    __table_args__ = (
        ForeignKeyConstraint(["agreement_id", "part_id"], ["agreement_line.agreement_id", "agreement_line.part_id"]),
        CheckConstraint("kind IN ('cost','inbound_freight','market')", name="kind"),
        CheckConstraint("amount >= 0", name="amount"),
        Index("ix_unit_value_agreement", "agreement_id", "part_id", "id"),
    )
