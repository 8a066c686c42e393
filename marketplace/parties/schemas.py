"""Parties on the wire."""

from __future__ import annotations

from datetime import datetime, time
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace.kit.wire import EXAMPLE_ID, BodyIn, Moment, TimeOfDay


class Me(BaseModel):
    """Who the request comes from, and what it may do."""

    user: str = Field(examples=["Dana Reyes"])
    company: str
    company_id: UUID
    company_code: str
    roles: list[str]
    verbs: list[str] = Field(examples=[["sourcing.read", "sourcing.request"]])
    sources_for: list[UUID] = Field(description="Makers whose parts this company may source by delegation.")


class SiteOut(BaseModel):
    """A site of your own company, with every detail."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    code: str
    name: str
    place: str
    region: str
    country: str
    address: str
    lat: float | None
    lon: float | None
    timezone: str
    opens: time | None
    closes: time | None
    counter_phone: str
    after_hours_phone: str
    will_call: bool


class NewSite(BodyIn):
    """A place where stock can be."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "code": "BHM",
                    "name": "Birmingham depot",
                    "place": "Birmingham",
                    "region": "AL",
                    "country": "US",
                    "timezone": "America/Chicago",
                    "lat": 33.52,
                    "lon": -86.81,
                    "opens": "07:00",
                    "closes": "17:00",
                    "counter_phone": "+1 205 555 0134",
                    "will_call": True,
                }
            ]
        }
    )
    code: str = Field(min_length=1, max_length=40)
    name: str = Field(min_length=1, max_length=120)
    place: str = Field(min_length=1, max_length=120)
    region: str = Field(max_length=60)
    country: str = Field(min_length=2, max_length=2)
    timezone: str = Field(examples=["America/Chicago"])
    address: str = Field(default="", max_length=300)
    lat: float | None = Field(default=None, ge=-90, le=90)
    lon: float | None = Field(default=None, ge=-180, le=180)
    opens: TimeOfDay | None = None
    closes: TimeOfDay | None = None
    counter_phone: str = Field(default="", max_length=40)
    after_hours_phone: str = Field(default="", max_length=40)
    will_call: bool = False


class NewContact(BodyIn):
    """A person to ring at a site: with a telephone number, an e-mail address, or both."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Sam Ortiz", "role": "Counter", "telephone": "+1 205 555 0134"}]}
    )
    name: str = Field(min_length=1, max_length=120, examples=["Sam Ortiz"])
    role: str = Field(default="", max_length=80, examples=["Counter"])
    telephone: str = Field(default="", max_length=40, examples=["+1 205 555 0134"])
    email: str = Field(default="", max_length=200)


class UserOut(BaseModel):
    """A person of your company. ``order_limit_amount``: what they may order back without an approver; null = no limit."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    name: str
    email: str
    roles: list[str]
    active: bool
    site_id: UUID | None
    order_limit_amount: Decimal | None


class ChangedUser(BodyIn):
    """What a person is from now on; everything left out is taken away, except the password, which stays."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "Sam Ortiz", "roles": ["warehouse", "technician"], "order_limit": "2500.00"}]
        }
    )
    name: str = Field(min_length=1, max_length=120)
    roles: list[str]
    site_id: UUID | None = None
    order_limit: Decimal | None = Field(default=None, ge=0)
    password: str | None = Field(default=None, min_length=15, max_length=200)


class Switched(BodyIn):
    """Whether a person may sign in."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"active": False}]})
    active: bool


class NewUser(BodyIn):
    """A person of your company."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "email": "sam@example.com",
                    "name": "Sam Ortiz",
                    "password": "a long pass phrase",
                    "roles": ["warehouse"],
                }
            ]
        }
    )
    email: str
    name: str = Field(min_length=1, max_length=120)
    password: str = Field(min_length=15, max_length=200)
    roles: list[str]
    site_id: UUID | None = None
    order_limit: Decimal | None = Field(default=None, ge=0)


class NewKey(BodyIn):
    """An API key for a program."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "ERP", "scopes": ["sourcing.read", "sourcing.request"]}]}
    )
    name: str = Field(min_length=1, max_length=120)
    scopes: list[str] = Field(examples=[["sourcing.read", "sourcing.request"]])
    expires_at: Moment | None = None


class KeyOut(BaseModel):
    """A new key: ``secret`` is shown this once."""

    id: UUID
    secret: str


class ListedKey(BaseModel):
    """An API key without its secret: ``prefix`` is the secret's beginning, to tell keys apart."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class DelegationOut(BaseModel):
    """A delegation with its limits per request, as both sides see it."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    maker_id: UUID
    maker: str
    company_id: UUID
    company: str
    max_quantity: int
    max_value_amount: Decimal
    currency: str
    valid_from: datetime
    valid_until: datetime | None
    revoked_at: datetime | None


class NewDelegation(BodyIn):
    """Lets another company's technicians source your parts, within limits per request."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"company_id": EXAMPLE_ID, "max_quantity": 5, "max_value": "10000.00"}]}
    )
    company_id: UUID
    max_quantity: int = Field(gt=0)
    max_value: Decimal = Field(gt=0, max_digits=18, decimal_places=4)
    valid_until: Moment | None = None


class CompanyOut(BaseModel):
    """A company in the directory."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    code: str
    name: str
    is_manufacturer: bool
    is_partner: bool
    country: str


class OwnCompanyOut(CompanyOut):
    """Your own company with its settings."""

    currency: str
    mask_holders: bool = Field(
        description="Whether your technicians and your delegates learn who holds your units only once an order back is sent."
    )
    discount_rate_bp: int | None = Field(
        default=None,
        description="A year, in basis points, as your books are reckoned; null = not stated. Nobody else sees it.",
    )
    expected_market_bp: int | None = Field(
        default=None,
        description="What a unit is expected to be worth when its holder may sell it back, of its price, in basis points.",
    )


class ExpectedMarketIn(BodyIn):
    """What a unit is expected to be worth when its holder may sell it back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"expected_market_bp": 4000}]})
    expected_market_bp: int | None = Field(
        ge=0, le=100_000, description="Of the price it is sold at, in basis points (4000 = 40 %); null takes it away."
    )


class DiscountRateIn(BodyIn):
    """The discount rate that your books are reckoned with."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"discount_rate_bp": 800}]})
    discount_rate_bp: int | None = Field(
        ge=0, le=10_000, description="A year, in basis points (800 = 8 %); null takes it away."
    )


class MaskIn(BodyIn):
    """Whether who holds your units is hidden from your technicians and from companies that source for you."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"mask_holders": True}]})
    mask_holders: bool


# -- accounts --------------------------------------------------------------------------------------------


class AccountOut(BaseModel):
    """Your own account. ``factor_since``: since when a second factor counts, null = there is none."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    name: str
    email: str
    email_confirmed_at: datetime | None = Field(
        description="When a link mailed to this address was used; null = never."
    )
    factor_since: datetime | None
    codes: int = Field(description="Recovery codes that are left.")
    factor_required: bool = Field(description="Whether your company asks everybody for a second factor.")


class SessionOut(BaseModel):
    """A browser in which you are signed in. ``place``: the network address it signed in from."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    device: str = Field(examples=["Firefox on Windows"])
    place: str = Field(examples=["192.0.2.7"])
    created_at: datetime
    expires_at: datetime


class ActOut(BaseModel):
    """An act of security: what was done to whose account, by whom, from where. ``by`` is empty where nobody proved who they were."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    at: datetime
    act: str = Field(examples=["password_changed"])
    words: str
    user_id: UUID | None
    person: str
    by: str
    detail: str
    place: str
    device: str


class Proof(BodyIn):
    """Your password, and the code of your second factor where you have one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"password": "a long pass phrase", "code": "287082"}]})
    password: str = Field(max_length=400)
    code: str = Field(default="", max_length=40)


class NewPassword(BodyIn):
    """A password that you choose."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"password": "four words that do not rhyme"}]})
    password: str = Field(min_length=15, max_length=200)


class Address(BodyIn):
    """An e-mail address: yours, to confirm it, or another by which you want to sign in."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "sam@example.com"}]})
    email: str = Field(max_length=200)


class Code(BodyIn):
    """What your authenticator app shows now."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "287082"}]})
    code: str = Field(max_length=40)


class BegunOut(BaseModel):
    """A second factor that is being set up, shown until it is confirmed: ``address`` for a code of squares, ``spelled`` for typing in."""

    address: str
    spelled: str


class CodesOut(BaseModel):
    """Recovery codes, each good once, shown this once."""

    codes: list[str]


class EndedOut(BaseModel):
    """How many sessions were ended."""

    ended: int


class SecurityOut(BaseModel):
    """What your company asks of its people. ``without``: active people who have no second factor."""

    second_factor: bool
    without: int


class SecurityIn(BodyIn):
    """What your company asks of its people."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"second_factor": True}]})
    second_factor: bool = Field(description="Everybody needs a second factor, from their next request on.")


class NewInvitation(BodyIn):
    """Somebody who is to join your company; they set name and password themselves."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "sam@example.com", "roles": ["warehouse"]}]})
    email: str = Field(max_length=200)
    roles: list[str]
    site_id: UUID | None = None
    order_limit: Decimal | None = Field(default=None, ge=0)


class InvitationOut(BaseModel):
    """An invitation. ``status``: open, lapsed, accepted or withdrawn."""

    id: UUID
    email: str
    roles: list[str]
    site_id: UUID | None
    inviter: str
    status: str = Field(examples=["open"])
    sent_at: datetime
    expires_at: datetime
    times_sent: int
    accepted_at: datetime | None
    withdrawn_at: datetime | None


class ProfileOut(CompanyOut):
    """A company as those see it that deal with it: what it says about itself, texts empty where it says nothing, and its open sites."""

    about: str
    website: str
    telephone: str
    email: str
    sites: list[SiteOut] = Field(description="Those that you see.")


class ProfileIn(BodyIn):
    """What your company says about itself; what is left empty is not said."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"about": "We run 40 harvesters in three states.", "website": "https://www.example.com"}]
        }
    )
    about: str = Field(default="", max_length=2_000)
    website: str = Field(default="", max_length=200)
    telephone: str = Field(default="", max_length=40)
    email: str = Field(default="", max_length=200)
