"""Rows of the parties."""

from __future__ import annotations

from datetime import datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Time,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db.base import Created, Currency, Id, Row


class Company(Row):
    """A party: manufacturer, partner, or both. ``code`` is permanent."""

    __tablename__ = "company"
    id: Mapped[Id]
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    is_manufacturer: Mapped[bool]
    is_partner: Mapped[bool]
    currency: Mapped[Currency]
    country: Mapped[str]
    mask_holders: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[Created]
    __table_args__ = (CheckConstraint("is_manufacturer OR is_partner", name="kind"),)


class CompanyBooks(Row):
    """What a company's accounting needs, for itself alone: everybody may read ``company``. ``discount_rate_bp``: a year, in
    basis points; ``expected_market_bp``: what a unit is expected to be worth when its holder may sell it back, as a share of
    the price it was sold at; null = not stated."""

    __tablename__ = "company_books"
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), primary_key=True)
    discount_rate_bp: Mapped[int | None]
    expected_market_bp: Mapped[int | None]
    changed_by: Mapped[UUID]
    changed_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("discount_rate_bp BETWEEN 0 AND 10000", name="discount_rate"),
        CheckConstraint("expected_market_bp BETWEEN 0 AND 100000", name="expected_market"),
    )


class CompanyProfile(Row):
    """What a company says about itself to those it deals with."""

    __tablename__ = "company_profile"
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), primary_key=True)
    about: Mapped[str]
    website: Mapped[str]
    telephone: Mapped[str]
    email: Mapped[str]
    changed_by: Mapped[UUID]
    changed_at: Mapped[datetime]
    __table_args__ = (CheckConstraint("length(about) <= 2000", name="about"),)


class Counterparty(Row):
    """Two companies that deal with each other, by an agreement or an order, and so see each other's sites for good. Kept in
    both directions."""

    __tablename__ = "counterparty"
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), primary_key=True)
    other_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), primary_key=True)
    since: Mapped[Created]


class Site(Row):
    """A place where stock can be. Coordinates are WGS 84 degrees; ``approximate`` when only the town is known."""

    __tablename__ = "site"
    id: Mapped[Id]
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    code: Mapped[str]
    name: Mapped[str]
    place: Mapped[str]
    region: Mapped[str]
    country: Mapped[str]
    address: Mapped[str] = mapped_column(server_default="")
    lat: Mapped[float | None]
    lon: Mapped[float | None]
    approximate: Mapped[bool] = mapped_column(server_default=text("false"))
    timezone: Mapped[str]
    opens: Mapped[time | None] = mapped_column(Time())
    closes: Mapped[time | None] = mapped_column(Time())
    counter_phone: Mapped[str] = mapped_column(server_default="")
    after_hours_phone: Mapped[str] = mapped_column(server_default="")
    will_call: Mapped[bool] = mapped_column(server_default=text("false"))
    closed_at: Mapped[datetime | None]
    created_at: Mapped[Created]
    __table_args__ = (
        UniqueConstraint("company_id", "code"),
        CheckConstraint("lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180", name="coordinates"),
        CheckConstraint("(lat IS NULL) = (lon IS NULL)", name="both_coordinates"),
    )


class SiteContact(Row):
    """A person to ring at a site."""

    __tablename__ = "site_contact"
    id: Mapped[Id]
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"), index=True)
    name: Mapped[str]
    role: Mapped[str] = mapped_column(server_default="")
    telephone: Mapped[str] = mapped_column(server_default="")
    email: Mapped[str] = mapped_column(server_default="")


class UserAccount(Row):
    """A person in a company. The ledger knows only the id, so that the person can be erased here.

    ``order_limit_amount``: what a technician may order back without an approver, in the company's currency;
    null = no limit.
    """

    __tablename__ = "user_account"
    id: Mapped[Id]
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), index=True)
    email: Mapped[str]
    name: Mapped[str]
    password_hash: Mapped[str]
    roles: Mapped[list[str]]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("site.id"))
    order_limit_amount: Mapped[Decimal | None]
    email_confirmed_at: Mapped[datetime | None]
    created_at: Mapped[Created]
    __table_args__ = (
        Index("uq_user_account_email_lower", func.lower(text("email")), unique=True),
        CheckConstraint(
            "cardinality(roles) > 0 AND roles <@ ARRAY['admin','planner','buyer','seller','warehouse','technician',"
            "'auditor']",
            name="roles",
        ),
        UniqueConstraint("id", "company_id"),
    )


class UserSession(Row):
    """A signed-in browser. Only the SHA-256 of the token is kept. ``place``: the network address it was made from;
    ``verified_at``: when the person last proved who they are, which some acts ask for."""

    __tablename__ = "user_session"
    id: Mapped[Id]
    token_hash: Mapped[bytes] = mapped_column(BYTEA, unique=True)
    user_id: Mapped[UUID]
    company_id: Mapped[UUID]
    created_at: Mapped[Created]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    device: Mapped[str] = mapped_column(server_default="")
    place: Mapped[str] = mapped_column(server_default="")
    verified_at: Mapped[Created]
    __table_args__ = (
        ForeignKeyConstraint(["user_id", "company_id"], ["user_account.id", "user_account.company_id"]),
        Index("ix_user_session_user", "user_id"),
    )


_PERSON = (["user_id", "company_id"], ["user_account.id", "user_account.company_id"])


class SecondFactor(Row):
    """A person's authenticator app: its secret, sealed with the operator's key. It counts from ``confirmed_at``; a code of the time
    step ``last_step`` or before is not taken again."""

    __tablename__ = "second_factor"
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    company_id: Mapped[UUID]
    sealed: Mapped[bytes] = mapped_column(BYTEA)
    begun_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    last_step: Mapped[int | None] = mapped_column(BigInteger)
    __table_args__ = (ForeignKeyConstraint(*_PERSON),)


class RecoveryCode(Row):
    """A code that stands in for the app once. Only its SHA-256 is kept."""

    __tablename__ = "recovery_code"
    id: Mapped[Id]
    company_id: Mapped[UUID]
    user_id: Mapped[UUID]
    code_hash: Mapped[bytes] = mapped_column(BYTEA)
    made_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    __table_args__ = (ForeignKeyConstraint(*_PERSON), UniqueConstraint("user_id", "code_hash"))


class MailLink(Row):
    """A link that was mailed to ``email``: to set a new password, or to confirm that address. What proves it stands in the mail."""

    __tablename__ = "mail_link"
    id: Mapped[Id]
    company_id: Mapped[UUID]
    user_id: Mapped[UUID]
    kind: Mapped[str]
    email: Mapped[str]
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    __table_args__ = (
        ForeignKeyConstraint(*_PERSON),
        CheckConstraint("kind IN ('reset','address')", name="kind"),
        Index(
            "ix_mail_link_open", "user_id", "kind", postgresql_where=text("used_at IS NULL AND withdrawn_at IS NULL")
        ),
    )


class Invitation(Row):
    """Somebody who is to join the company, with roles; they set name and password themselves. ``user_id``: who they became."""

    __tablename__ = "invitation"
    id: Mapped[Id]
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    email: Mapped[str]
    roles: Mapped[list[str]]
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("site.id"))
    order_limit_amount: Mapped[Decimal | None]
    invited_by: Mapped[UUID]
    sent_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    times_sent: Mapped[int] = mapped_column(server_default=text("1"))
    accepted_at: Mapped[datetime | None]
    user_id: Mapped[UUID | None]
    withdrawn_at: Mapped[datetime | None]
    __table_args__ = (
        ForeignKeyConstraint(*_PERSON),
        CheckConstraint(
            "cardinality(roles) > 0 AND roles <@ ARRAY['admin','planner','buyer','seller','warehouse','technician',"
            "'auditor']",
            name="roles",
        ),
        CheckConstraint("(accepted_at IS NULL) = (user_id IS NULL)", name="accepted"),
        Index("ix_invitation_company", "company_id", text("id DESC")),
        Index(
            "uq_invitation_open", "company_id", func.lower(text("email")), unique=True,
            postgresql_where=text("accepted_at IS NULL AND withdrawn_at IS NULL"),
        ),
    )  # fmt: skip


class SecurityAct(Row):
    """What was done about the security of an account or of the company: whose (``user_id``), by whom (null: the command line, or
    somebody who could not prove who they are), from where. Only added."""

    __tablename__ = "security_act"
    id: Mapped[Id]
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    user_id: Mapped[UUID | None]
    by_user_id: Mapped[UUID | None]
    act: Mapped[str]
    detail: Mapped[str] = mapped_column(server_default="")
    place: Mapped[str] = mapped_column(server_default="")
    device: Mapped[str] = mapped_column(server_default="")
    at: Mapped[datetime]
    __table_args__ = (
        Index("ix_security_act_company", "company_id", text("id DESC")),
        Index("ix_security_act_user", "user_id", text("id DESC")),
        Index("ix_security_act_activity", "company_id", "at"),
    )


class SecurityRule(Row):
    """What a company asks of its people: whether everybody needs a second factor."""

    __tablename__ = "security_rule"
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), primary_key=True)
    second_factor: Mapped[bool]
    changed_by: Mapped[UUID]
    changed_at: Mapped[datetime]


class ApiKey(Row):
    """A program's key: shown once, kept as SHA-256, with scopes and an expiry."""

    __tablename__ = "api_key"
    id: Mapped[Id]
    company_id: Mapped[UUID]
    user_id: Mapped[UUID]
    name: Mapped[str]
    prefix: Mapped[str]
    key_hash: Mapped[bytes] = mapped_column(BYTEA, unique=True)
    scopes: Mapped[list[str]]
    created_at: Mapped[Created]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    __table_args__ = (
        ForeignKeyConstraint(["user_id", "company_id"], ["user_account.id", "user_account.company_id"]),
        Index("ix_api_key_company", "company_id"),
    )


class CalendarFeed(Row):
    """The address at which a person's calendar asks for what is due. Only the SHA-256 of its token is kept."""

    __tablename__ = "calendar_feed"
    id: Mapped[Id]
    company_id: Mapped[UUID]
    user_id: Mapped[UUID]
    token_hash: Mapped[bytes] = mapped_column(BYTEA)
    created_at: Mapped[Created]
    revoked_at: Mapped[datetime | None]
    __table_args__ = (
        ForeignKeyConstraint(["user_id", "company_id"], ["user_account.id", "user_account.company_id"]),
        UniqueConstraint("token_hash"),
        Index("uq_calendar_feed_person", "user_id", unique=True, postgresql_where=text("revoked_at IS NULL")),
        Index("ix_calendar_feed_user", "user_id", "company_id"),
    )


class Delegation(Row):
    """A manufacturer lets another company's technicians source its parts, within limits per request."""

    __tablename__ = "delegation"
    id: Mapped[Id]
    maker_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), index=True)
    max_quantity: Mapped[int]
    max_value_amount: Mapped[Decimal]
    currency: Mapped[Currency]
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[Created]
    __table_args__ = (
        CheckConstraint("maker_id <> company_id", name="not_self"),
        CheckConstraint("max_quantity > 0 AND max_value_amount > 0", name="limits"),
        Index("ix_delegation_maker", "maker_id"),
    )


class AttemptBucket(Row):
    """Failed sign-ins by key (address or account) in a window. Carries no company: it exists before any."""

    __tablename__ = "attempt_bucket"
    key: Mapped[str] = mapped_column(primary_key=True)
    window_start: Mapped[datetime]
    count: Mapped[int]


class IdempotencyKey(Row):
    """One writing request's key, the hash of its input, and its answer, kept in the transaction it did."""

    __tablename__ = "idempotency_key"
    company_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    route: Mapped[str]
    input_hash: Mapped[bytes] = mapped_column(BYTEA)
    fields: Mapped[dict[str, Any]]
    status: Mapped[int | None]
    answer: Mapped[dict[str, Any] | None]
    created_at: Mapped[Created]
