"""Rows of sourcing."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Identity,
    Index,
    Numeric,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db.base import Created, Currency, Id, Row

_OPEN = "status IN ('noticed', 'acknowledged', 'accepted', 'picked', 'received')"


class Requisition(Row):
    """A parts request: so many of a part, at a place, by a time, this urgently, for this machine."""

    __tablename__ = "requisition"
    id: Mapped[Id]
    reference: Mapped[str] = mapped_column(unique=True)
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    maker_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    requested_by: Mapped[UUID]
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), index=True)
    quantity: Mapped[int]
    destination_site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    needed_by: Mapped[datetime]
    urgency: Mapped[str]
    machine_model: Mapped[str] = mapped_column(server_default="")
    machine_serial: Mapped[str] = mapped_column(server_default="")
    job_number: Mapped[str] = mapped_column(server_default="")
    job_upper: Mapped[str | None] = mapped_column(Text, Computed("upper(job_number)", persisted=True))
    substitutes: Mapped[bool] = mapped_column(server_default=text("false"))
    complete_only: Mapped[bool] = mapped_column(server_default=text("false"))
    kit: Mapped[str] = mapped_column(server_default="")
    status: Mapped[str]
    outcome: Mapped[str | None]
    plan: Mapped[dict[str, Any] | None]
    planned_at: Mapped[datetime | None]
    created_at: Mapped[Created]
    closed_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("urgency IN ('machine_down','urgent','stock_order')", name="urgency"),
        CheckConstraint(
            "status IN ('open','awaiting_approval','ordered','received','closed','cancelled')", name="status"
        ),
        CheckConstraint("outcome IN ('received','fitted','returned_unused','cancelled')", name="outcome"),
        Index("ix_requisition_company", "company_id", text("id DESC")),
        Index("ix_requisition_maker", "maker_id", text("id DESC")),
        Index("ix_requisition_activity", "company_id", "created_at"),
        Index("ix_requisition_part", "maker_id", "part_id", "created_at"),
        Index("ix_requisition_job_upper", "job_upper", postgresql_where=text("job_upper <> ''")),
        # Row level security: a maker sees the sites that its units were asked for.
        Index("ix_requisition_destination", "destination_site_id", "maker_id"),
        # What every page counts: the few that are not finished, however many there were.
        Index("ix_requisition_live", "company_id", postgresql_where=text("status IN ('open', 'ordered')")),
        Index("ix_requisition_live_maker", "maker_id", postgresql_where=text("status IN ('open', 'ordered')")),
    )


class RequisitionChange(Row):
    """What was changed about a parts request: the fields as they stood ``before`` and ``after``. Only added."""

    __tablename__ = "requisition_change"
    id: Mapped[Id]
    requisition_id: Mapped[UUID] = mapped_column(ForeignKey("requisition.id"))
    company_id: Mapped[UUID]
    maker_id: Mapped[UUID]
    changed_by: Mapped[UUID]
    changed_at: Mapped[datetime]
    before: Mapped[dict[str, Any]]
    after: Mapped[dict[str, Any]]
    __table_args__ = (Index("ix_requisition_change_requisition", "requisition_id", "id"),)


class SourcingPlan(Row):
    """A plan over many parts requests as somebody was shown it: ``rules`` it was made by, ``shown`` what it says, its figures
    beside it for lists. Only added."""

    __tablename__ = "sourcing_plan"
    id: Mapped[Id]
    reference: Mapped[str] = mapped_column(unique=True)
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    made_by: Mapped[UUID]
    made_at: Mapped[datetime]
    requests: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    rules: Mapped[dict[str, Any]]
    shown: Mapped[dict[str, Any]]
    currency: Mapped[str] = mapped_column(Text)
    total_minor: Mapped[int] = mapped_column(BigInteger)
    units: Mapped[int]
    unmet: Mapped[int]
    __table_args__ = (
        CheckConstraint("cardinality(requests) BETWEEN 1 AND 1000", name="requests"),
        Index("ix_sourcing_plan_company", "company_id", text("id DESC")),
    )


class SourcingPlanConfirmed(Row):
    """A plan was confirmed: the orders it made, of which ``waiting`` wait for an approver. Only added."""

    __tablename__ = "sourcing_plan_confirmed"
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("sourcing_plan.id"), primary_key=True)
    company_id: Mapped[UUID]
    confirmed_by: Mapped[UUID]
    confirmed_at: Mapped[datetime]
    calls: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    waiting: Mapped[int]


class CurrencyRate(Row):
    """So many units of ``into`` for one of ``currency`` on a day, as a company states it, and whose figure it is. Only added: of one
    day the newest row counts."""

    __tablename__ = "currency_rate"
    id: Mapped[Id]
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    currency: Mapped[str] = mapped_column(Text)
    into: Mapped[str] = mapped_column(Text)
    day: Mapped[date]
    rate: Mapped[Decimal] = mapped_column(Numeric(18, 9))
    source: Mapped[str]
    recorded_by: Mapped[UUID]
    recorded_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("rate > 0", name="rate"),
        CheckConstraint(
            "currency ~ '^[A-Z]{3}$' AND \"into\" ~ '^[A-Z]{3}$' AND currency <> \"into\"", name="currency"
        ),
        Index("ix_currency_rate_company", "company_id", text("id DESC")),
        Index("ix_currency_rate_day", "company_id", "into", "currency", text("day DESC"), text("id DESC")),
    )


class CascadeRule(Row):
    """What a maker wants done by itself when an order back for its parts comes to nothing, by urgency: the next best source only
    proposed, or ordered at once within limits of extra cost and of days. Only added: the newest counts."""

    __tablename__ = "cascade_rule"
    id: Mapped[Id]
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    urgency: Mapped[str]
    at_once: Mapped[bool]
    most_more_bp: Mapped[int]
    most_later_days: Mapped[int]
    stated_by: Mapped[UUID]
    stated_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("urgency IN ('machine_down','urgent','stock_order')", name="urgency"),
        CheckConstraint("most_more_bp BETWEEN 0 AND 1000000 AND most_later_days BETWEEN 0 AND 3650", name="limits"),
        Index("ix_cascade_rule_company", "company_id", "urgency", text("id DESC")),
    )


class Cascade(Row):
    """An order back came to nothing, in whole or in part, and its parts request lacks units. ``rule``: the maker's rule of that
    moment, where it has the next best ordered at once. ``subject``: what happened, as people are told. Only added."""

    __tablename__ = "cascade"
    id: Mapped[Id]
    requisition_id: Mapped[UUID] = mapped_column(ForeignKey("requisition.id"))
    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.id"), index=True)
    company_id: Mapped[UUID]
    maker_id: Mapped[UUID]
    cause: Mapped[str]
    lacking: Mapped[int]
    rule: Mapped[dict[str, Any] | None]
    subject: Mapped[str]
    at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint(
            "cause IN ('refused','silent','in_part','defaulted','lost','gone','gave_way','unlicensed')", name="cause"
        ),
        CheckConstraint("lacking > 0", name="lacking"),
        Index("ix_cascade_requisition", "requisition_id", "id"),
    )


class CascadeOutcome(Row):
    """What was done about it: the orders that were given by themselves, or why none was. At most one; only added."""

    __tablename__ = "cascade_outcome"
    cascade_id: Mapped[UUID] = mapped_column(ForeignKey("cascade.id"), primary_key=True)
    company_id: Mapped[UUID]
    maker_id: Mapped[UUID]
    outcome: Mapped[str]
    calls: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    words: Mapped[str]
    at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("outcome IN ('ordered','reserved','proposed','nothing','enough')", name="outcome"),
    )


class Call(Row):
    """The exercise of a right on one holder (or a draw on own stock), or of the holder's own right to sell back ('put', which
    no parts request asked for, and whose destination the maker names until ``acknowledge_by``), with its own clock.

    ``draw_fee``: per unit, of an access draw, whose ``unit_price`` is what a unit costs that is not replaced by
    ``replace_by``. Of the accepted units, ``replaced`` have an equal one at the holder, for ``replacing`` it is on the
    way, and ``bought`` were not replaced in time. ``inspect_by``: what is not rejected by then is accepted. ``grades``: what units have to be like and fetch by their condition, kept at receipt.
    ``ship_to`` and ``ship_from``: the places and people as they were when it was ordered, for all its parties.
    ``replaces_id``: the order whose rejected units it makes good.
    ``proposal``: how one side would end a dispute. ``lost_by``: which side says that the consignment is lost.
    ``licence``: under which controlled units leave the country; from ``licence_asked_at`` to ``licence_at`` no time for shipping
    runs. ``cancel_asked_at``: when its asker asked a holder that is bound to agree that it ends.
    """

    __tablename__ = "call"
    id: Mapped[Id]
    reference: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    requisition_id: Mapped[UUID | None] = mapped_column(ForeignKey("requisition.id"), index=True)
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    maker_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    holder_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    agreement_id: Mapped[UUID | None] = mapped_column(ForeignKey("agreement.id"), index=True)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), index=True)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    destination_site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    condition: Mapped[str]
    urgency: Mapped[str]
    quantity: Mapped[int]
    unit_price: Mapped[Decimal]
    currency: Mapped[Currency]
    status: Mapped[str]
    silence: Mapped[str]
    reasons: Mapped[list[Any]]
    grades: Mapped[dict[str, Any] | None]
    inspection_days: Mapped[int]
    payment_days: Mapped[int]
    draw_fee: Mapped[Decimal | None]
    replace_by: Mapped[datetime | None]
    replacing: Mapped[int] = mapped_column(server_default=text("0"))
    replaced: Mapped[int] = mapped_column(server_default=text("0"))
    bought: Mapped[int] = mapped_column(server_default=text("0"))
    noticed_at: Mapped[datetime | None]
    respond_by: Mapped[datetime | None]
    ship_by: Mapped[datetime | None]
    expected_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    shipped_at: Mapped[datetime | None]
    received_at: Mapped[datetime | None]
    inspect_by: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    acknowledge_by: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    deliver_by: Mapped[datetime | None]
    default_from: Mapped[datetime | None]
    refusal_code: Mapped[str | None]
    note: Mapped[str | None]
    carrier: Mapped[str | None]
    tracking: Mapped[str | None]
    inspected_good: Mapped[int | None]
    requested_by: Mapped[UUID]
    ship_to: Mapped[dict[str, Any] | None]
    ship_from: Mapped[dict[str, Any] | None]
    proposal: Mapped[dict[str, Any] | None]
    lost_by: Mapped[UUID | None] = mapped_column(ForeignKey("company.id"))
    licence_asked_at: Mapped[datetime | None]
    licence_at: Mapped[datetime | None]
    licence: Mapped[str | None]
    licence_refused_at: Mapped[datetime | None]
    cancel_asked_at: Mapped[datetime | None]
    notice_id: Mapped[UUID | None] = mapped_column(ForeignKey("notice.id"))
    clause: Mapped[str | None]
    replaces_id: Mapped[UUID | None] = mapped_column(ForeignKey("call.id"))
    created_at: Mapped[Created]
    __table_args__ = (
        CheckConstraint("quantity > 0 AND unit_price >= 0", name="positive"),
        CheckConstraint("(licence IS NULL) = (licence_at IS NULL)", name="licence"),
        CheckConstraint("kind IN ('buy_back','access_draw','own_stock','put')", name="kind"),
        CheckConstraint("(kind = 'put') = (requisition_id IS NULL)", name="origin"),
        CheckConstraint("silence IN ('accepted','refused')", name="silence"),
        CheckConstraint("urgency IN ('machine_down','urgent','stock_order')", name="urgency"),
        Index("ix_call_holder", "holder_id", "status", text("id DESC")),
        Index("ix_call_maker", "maker_id", "status", text("id DESC")),
        Index("ix_call_company", "company_id", text("id DESC")),
        Index(
            "ix_call_record",
            "holder_id",
            "noticed_at",
            postgresql_include=["id", "maker_id", "kind", "status", "respond_by", "ship_by", "shipped_at"],
        ),
        CheckConstraint(
            "replacing >= 0 AND replaced >= 0 AND bought >= 0 AND replaced + bought <= coalesce(inspected_good, 0)",
            name="replaced",
        ),
        Index(
            "ix_call_default",
            "default_from",
            postgresql_where=text("status IN ('accepted','picked') AND default_from IS NOT NULL"),
        ),
        Index("ix_call_clock", "respond_by", postgresql_where=text("status = 'noticed'")),
        Index("ix_call_inspect", "inspect_by", postgresql_where=text("status = 'received' AND inspect_by IS NOT NULL")),
        Index(
            "ix_call_replace",
            "replace_by",
            postgresql_where=text("draw_fee IS NOT NULL AND inspected_good > replaced + bought"),
        ),
        Index(
            "ix_call_to_replace",
            "maker_id",
            "replace_by",
            postgresql_where=text("draw_fee IS NOT NULL AND inspected_good > replaced + bought + replacing"),
        ),
        Index(
            "ix_call_put_open",
            "maker_id",
            postgresql_where=text("kind = 'put' AND status = 'accepted' AND acknowledged_at IS NULL"),
        ),
        Index("ix_call_replaces_id", "replaces_id", postgresql_where=text("replaces_id IS NOT NULL")),
        Index("ix_call_replacing", "holder_id", postgresql_where=text("replacing > 0")),
        # The calendar: the few that are not finished, however many there were.
        Index("ix_call_open_company", "company_id", postgresql_where=text(_OPEN)),
        Index("ix_call_open_maker", "maker_id", postgresql_where=text(_OPEN)),
        Index("ix_call_open_holder", "holder_id", postgresql_where=text(_OPEN)),
        Index(
            "ix_call_to_be_replaced",
            "holder_id",
            "replace_by",
            postgresql_where=text("draw_fee IS NOT NULL AND inspected_good > replaced + bought + replacing"),
        ),
    )


class CallUnit(Row):
    """The units a call reserves; ``shipped_lot_id`` is the child lot once it left the holder's lot."""

    __tablename__ = "call_unit"
    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.id"), primary_key=True)
    lot_id: Mapped[UUID] = mapped_column(primary_key=True)
    hold_seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    company_id: Mapped[UUID]
    position_id: Mapped[int]
    quantity: Mapped[int]
    shipped_lot_id: Mapped[UUID | None]
    shipped_position_id: Mapped[int | None]
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        Index("ix_call_unit_shipped_lot_id", "shipped_lot_id", postgresql_where=text("shipped_lot_id IS NOT NULL")),
    )


class CallStandIn(Row):
    """Other units of the holder that travel in place of those that a ``CallUnit`` reserves: ``quantity`` of ``lot_id``, of the
    holder's own stock, as ``shipped_lot_id``. Only added."""

    __tablename__ = "call_stand_in"
    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.id"), primary_key=True)
    for_lot_id: Mapped[UUID] = mapped_column(primary_key=True)
    for_hold_seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    lot_id: Mapped[UUID]
    position_id: Mapped[int]
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), index=True)
    condition: Mapped[str]
    quantity: Mapped[int]
    shipped_lot_id: Mapped[UUID]
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    company_id: Mapped[UUID]
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity"),)


class Replacement(Row):
    """Equal units that a maker sends for units it drew. ``arrived_on``: the day at the holder's site. Of ``quantity``,
    ``good`` were accepted and ``missing`` did not arrive; the rest was not accepted and stays the maker's."""

    __tablename__ = "replacement"
    id: Mapped[Id]
    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.id"), index=True)
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    quantity: Mapped[int]
    from_site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    carrier: Mapped[str]
    tracking: Mapped[str | None]
    shipped_at: Mapped[datetime]
    received_at: Mapped[datetime | None]
    arrived_on: Mapped[date | None]
    good: Mapped[int | None]
    missing: Mapped[int | None]
    note: Mapped[str | None]
    sent_by: Mapped[UUID]
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint(
            "(received_at IS NULL) = (good IS NULL) AND (good IS NULL) = (missing IS NULL) "
            "AND good >= 0 AND missing >= 0 AND good + missing <= quantity",
            name="received",
        ),
    )


class ReplacementUnit(Row):
    """The units of a replacement, as the lots that they travel as; ``serial`` for the holder, who sees the lot only once
    it has arrived."""

    __tablename__ = "replacement_unit"
    replacement_id: Mapped[UUID] = mapped_column(ForeignKey("replacement.id"), primary_key=True)
    lot_id: Mapped[UUID] = mapped_column(primary_key=True)
    position_id: Mapped[int]
    quantity: Mapped[int]
    serial: Mapped[str | None]
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity"),)


class CallEvent(Row):
    """What happened to a call, in order, seen by all its parties."""

    __tablename__ = "call_event"
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.id"), index=True)
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    company_id: Mapped[UUID]
    kind: Mapped[str]
    detail: Mapped[dict[str, Any]]
    actor_id: Mapped[UUID]
    at: Mapped[Created]
    __table_args__ = (
        Index("ix_call_event_activity", "actor_id", "at"),
        # The answers that a partner gave, for its track record.
        Index(
            "ix_call_event_answered",
            "holder_id",
            "at",
            postgresql_where=text("kind IN ('accepted', 'refused', 'silent_accepted', 'silent_refused')"),
        ),
    )


class CallMessage(Row):
    """What one side of a call wrote to the other. Rows are only added."""

    __tablename__ = "call_message"
    id: Mapped[Id]
    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.id"))
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    company_id: Mapped[UUID]
    from_id: Mapped[UUID]
    author_id: Mapped[UUID]
    text: Mapped[str]
    at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("length(text) BETWEEN 1 AND 2000", name="text"),
        CheckConstraint("from_id IN (maker_id, holder_id, company_id)", name="party"),
        Index("ix_call_message_thread", "call_id", "id"),
    )


class WayBack(Row):
    """Rejected units on their way back to their holder, at its cost. ``missing`` of them did not arrive."""

    __tablename__ = "way_back"
    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.id"), primary_key=True)
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    company_id: Mapped[UUID]
    quantity: Mapped[int]
    carrier: Mapped[str]
    tracking: Mapped[str | None]
    shipped_at: Mapped[datetime]
    sent_by: Mapped[UUID]
    received_at: Mapped[datetime | None]
    missing: Mapped[int | None]
    note: Mapped[str] = mapped_column(server_default="")
    __table_args__ = (
        CheckConstraint("quantity > 0 AND missing BETWEEN 0 AND quantity", name="quantity"),
        CheckConstraint("(received_at IS NULL) = (missing IS NULL)", name="received"),
        Index("ix_way_back_open", "holder_id", postgresql_where=text("received_at IS NULL")),
    )


class WayBackUnit(Row):
    """The units of a way back, as the lots that they travel as."""

    __tablename__ = "way_back_unit"
    call_id: Mapped[UUID] = mapped_column(ForeignKey("way_back.call_id"), primary_key=True)
    lot_id: Mapped[UUID] = mapped_column(primary_key=True)
    position_id: Mapped[int]
    quantity: Mapped[int]
    serial: Mapped[str | None]
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    company_id: Mapped[UUID]
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity"),)


class SavedSearch(Row):
    """A search that a person keeps under a name. ``kind``: 'units' (where units are) or 'offers' (what is on offer); ``filters``: by name,
    as the page's address has them. ``slot``: no person has more searches than there are."""

    __tablename__ = "saved_search"
    id: Mapped[Id]
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    user_id: Mapped[UUID]
    slot: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[str]
    kind: Mapped[str]
    numbers: Mapped[str]
    filters: Mapped[dict[str, Any]]
    urgency: Mapped[str | None]
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("site.id"))
    created_at: Mapped[Created]
    notify: Mapped[bool] = mapped_column(server_default=text("false"))
    looked_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("NOT notify OR kind = 'offers'", name="notify"),
        Index("ix_saved_search_looked_at", text("looked_at NULLS FIRST"), "id", postgresql_where=text("notify")),
        CheckConstraint("slot BETWEEN 1 AND 100", name="slot"),
        CheckConstraint("kind IN ('units', 'offers')", name="kind"),
        CheckConstraint("name = btrim(name) AND length(name) BETWEEN 1 AND 80", name="name"),
        CheckConstraint("length(numbers) <= 60000", name="numbers"),
        CheckConstraint("urgency IN ('machine_down', 'urgent', 'stock_order')", name="urgency"),
        UniqueConstraint("company_id", "user_id", "slot"),
        Index("uq_saved_search_name", "company_id", "user_id", text("lower(name)"), unique=True),
    )


class ToldOffer(Row):
    """An offer that a search has told, and at which price: it is told again only when it is cheaper."""

    __tablename__ = "told_offer"
    search_id: Mapped[UUID] = mapped_column(ForeignKey("saved_search.id", ondelete="CASCADE"), primary_key=True)
    listing_id: Mapped[UUID] = mapped_column(ForeignKey("listing.id", ondelete="CASCADE"), primary_key=True, index=True)
    company_id: Mapped[UUID]
    unit_price: Mapped[Decimal]
    told_at: Mapped[datetime]
