"""One's own company: sites, people, API keys, delegations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, Final
from uuid import UUID
from zoneinfo import available_timezones

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.session import WriteSession
from marketplace.kit.errors import missing
from marketplace.kit.money import Money
from marketplace.parties import queries, service
from marketplace.parties.actor import ROLES, VERBS, Actor
from marketplace.parties.permissions import Now
from web.forms import Fields, Form
from web.session import Sent, SentForm, Visit, looking, submit, uuid_of, visits

router = APIRouter(prefix="/company", include_in_schema=False)
ReadsCompany = Annotated[Visit, visits("company.read")]
ManagesCompany = Annotated[Visit, visits("company.manage")]

ROLE_WORDS: Final[Mapping[str, str]] = {
    "admin": "Everything, and manages the company",
    "planner": "Releases stock, sources parts, signs",
    "buyer": "Finds, orders, signs, answers buy-back orders",
    "seller": "Prepares postings and answers orders",
    "warehouse": "Ships, receives, counts, moves",
    "technician": "Sources parts for machines",
    "auditor": "Sees everything, changes nothing",
}
DONE: Final = {
    "site": "The site was added.",
    "person": "The person was added and can sign in now.",
    "key-revoked": "The key was revoked. It stopped working at once.",
    "delegated": "The delegation is in force.",
    "delegation-ended": "The delegation has ended. What was ordered before goes on.",
    "key-made": "The key had been made already. Its secret was shown that one time; revoke it and make another if it is lost.",
}
KEY_DAYS: Final = (("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("", "No expiry"))


@router.get("")
async def company(visit: ReadsCompany) -> Response:
    """Everything about the company; what may be changed only for who may."""
    session, actor = visit.session, visit.actor
    manages = actor.may("company.manage")
    sites = await queries.sites(session, actor)
    return visit.show(
        "company/company.html",
        company=await queries.company(session, actor.company_id),
        sites=sites,
        site_names={site.id: site.name for site in sites},
        people=await queries.users(session, actor),
        keys=await queries.api_keys(session, actor) if manages else [],
        delegations=await queries.delegations(session),
        amount=Money,
        manages=manages,
        done=DONE.get(visit.asked("done")),
    )


def _page(visit: Visit, what: str, form: Form, **more: Any) -> Response:
    return visit.show(f"company/{what}.html", form=form, crumbs=[("Company", "/company")], **more)


# -- sites -----------------------------------------------------------------------------------------------


def _site_page(visit: Visit, form: Form) -> Response:
    zones = sorted(zone for zone in available_timezones() if "/" in zone)
    return _page(visit, "site", form, zone_options=[(zone, zone.replace("_", " ")) for zone in zones])


@router.get("/sites/new")
async def new_site(visit: ManagesCompany) -> Response:
    """The form for a site."""
    return _site_page(visit, Form({"timezone": visit.zone, "country": visit.home.country if visit.home else ""}))


@router.post("/sites/new")
async def make_site(request: Request, sent: SentForm, now: Now) -> Response:
    """Adds a site."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        fields = sent.fields()
        country = fields.text("country", "Country", most=60).upper()
        if len(country) != 2 or not country.isalpha():
            fields.wrong("country", "Write the country with two letters, such as US.")
        given: dict[str, Any] = {
            "code": fields.text("code", "Code", most=40),
            "name": fields.text("name", "Name", most=120),
            "place": fields.text("place", "Town", most=120),
            "region": fields.text("region", "State or region", required=False, most=60),
            "country": country,
            "timezone": fields.text("timezone", "Time zone", most=60),
            "address": fields.text("address", "Address", required=False, most=300),
            "lat": _degrees(fields, "lat", "Latitude"),
            "lon": _degrees(fields, "lon", "Longitude"),
            "opens": _time(fields, "opens", "Opens"),
            "closes": _time(fields, "closes", "Closes"),
            "counter_phone": fields.text("counter_phone", "Telephone", required=False, most=40),
            "after_hours_phone": fields.text("after_hours_phone", "Telephone after hours", required=False, most=40),
            "will_call": fields.yes("will_call"),
        }
        fields.check("site.invalid")
        return await service.create_site(session, actor, **given)

    async def again(visit: Visit, form: Form) -> Response:
        return _site_page(visit, form)

    return await submit(request, sent, "company.manage", act, now=now, to="/company?done=site", again=again)


def _degrees(fields: Fields, name: str, label: str) -> float | None:
    raw = fields.text(name, label, required=False, most=20)
    if not raw:
        return None
    try:
        return float(raw.replace(",", "."))
    except ValueError:
        fields.wrong(name, f"'{raw}' is not a number of degrees. Write it like 33.6053.")
        return None


def _time(fields: Fields, name: str, label: str) -> time | None:
    raw = fields.text(name, label, required=False, most=8)
    if not raw:
        return None
    try:
        return time.fromisoformat(raw)
    except ValueError:
        fields.wrong(name, f"'{raw}' is not a time. Write it like 08:00.")
        return None


# -- people ----------------------------------------------------------------------------------------------


async def _person_page(visit: Visit, form: Form) -> Response:
    sites = await queries.sites(visit.session, visit.actor)
    roles = [(role, role.capitalize(), ROLE_WORDS[role]) for role in ROLES]
    return _page(visit, "person", form, sites=sites, roles=roles)


@router.get("/people/new")
async def new_person(visit: ManagesCompany) -> Response:
    """The form for a person."""
    return await _person_page(visit, Form())


@router.post("/people/new")
async def make_person(request: Request, sent: SentForm, now: Now) -> Response:
    """Adds a person; the password is never shown again, not even after a mistake."""
    # The key's record keeps the input's hash: a password does not belong into it, however hashed.
    public = {name: value for name, value in sent.values.items() if name != "password"}

    async def act(session: WriteSession, actor: Actor) -> UUID:
        fields = sent.fields()
        name = fields.text("name", "Name", most=120)
        email = fields.text("email", "E-mail address")
        password = sent.form().value("password")
        if len(password) < service.MINIMUM_PASSWORD:
            fields.wrong("password", f"A password has at least {service.MINIMUM_PASSWORD} characters.")
        roles = fields.many("roles")
        if not roles:
            fields.wrong("roles", "Choose at least one role.")
        limit = fields.amount("order_limit", "Limit") if sent.form().value("order_limit").strip() else None
        site_id = uuid_of(sent.form().value("site_id"))
        fields.check("user.invalid")
        if site_id is not None:
            await queries.own_site(session, actor, site_id)
        return await service.create_user(
            session,
            company_id=actor.company_id,
            email=email,
            name=name,
            password=password,
            roles=roles,
            site_id=site_id,
            order_limit=limit,
        )

    async def again(visit: Visit, form: Form) -> Response:
        return await _person_page(visit, form)

    kept = Sent(public, sent.key, sent.confirmed)
    return await submit(request, kept, "company.manage", act, now=now, to="/company?done=person", again=again)


# -- API keys --------------------------------------------------------------------------------------------


def _key_page(visit: Visit, form: Form) -> Response:
    return _page(visit, "key", form, verbs=[(verb, words) for verb, (_, words) in VERBS.items()], days=KEY_DAYS)


@router.get("/keys/new")
async def new_key(visit: ManagesCompany) -> Response:
    """The form for an API key."""
    return _key_page(visit, Form({"days": "90"}))


@router.post("/keys/new")
async def make_key(request: Request, sent: SentForm, now: Now) -> Response:
    """Makes a key and shows its secret this once. The secret is nowhere in the answer that is kept for a repeat."""
    shown: list[str] = []

    async def act(session: WriteSession, actor: Actor) -> UUID:
        fields = sent.fields()
        name = fields.text("name", "Name", most=120)
        days = fields.one_of("days", "how long it is valid", [value for value, _ in KEY_DAYS])
        scopes = frozenset(fields.many("scopes"))
        if not scopes:
            fields.wrong("scopes", "Choose at least one thing the program may do.")
        fields.check("apikey.invalid")
        ends = now + timedelta(days=int(days)) if days else None
        made, secret = await service.create_api_key(session, actor, name=name, scopes=scopes, expires_at=ends)
        shown.append(secret)
        return made

    async def again(visit: Visit, form: Form) -> Response:
        return _key_page(visit, form)

    done = await submit(request, sent, "company.manage", act, now=now, to="/company?done=key-made", again=again)
    return done if done.status_code != 303 or not shown else await _shown_once(request, shown[0], now)


async def _shown_once(request: Request, secret: str, now: datetime) -> Response:
    async def page(visit: Visit) -> Response:
        response = _page(visit, "key_made", Form(), secret=secret)
        response.status_code = 201
        response.headers["cache-control"] = "no-store"
        return response

    return await looking(request, now, page)


@router.get("/keys/{key_id}/revoke")
async def revoke_key_page(visit: ManagesCompany, key_id: UUID) -> Response:
    """What revoking will do."""
    key = next((k for k in await queries.api_keys(visit.session, visit.actor) if k.id == key_id), None)
    if key is None or key.revoked_at is not None:
        raise missing("apikey.not_found", "No such API key, or it was revoked already.")
    return _page(visit, "revoke_key", Form(), key=key)


@router.post("/keys/{key_id}/revoke")
async def revoke_key(request: Request, key_id: UUID, sent: SentForm, now: Now) -> Response:
    """Ends a key at once."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.revoke_api_key(session, key_id, now)

    async def confirm(visit: Visit, form: Form, _outcome: object) -> Response:
        return await revoke_key_page(visit, key_id)

    return await submit(request, sent, "company.manage", act, now=now, to="/company?done=key-revoked", confirm=confirm)


# -- delegations -----------------------------------------------------------------------------------------


async def _delegation_page(visit: Visit, form: Form, *, confirm: bool = False) -> Response:
    companies = [c for c in await queries.companies(visit.session) if c.id != visit.actor.company_id]
    named = {str(c.id): c.name for c in companies}
    return _page(
        visit, "delegation", form, companies=companies, asked=confirm, other=named.get(form.value("company_id"), "")
    )


@router.get("/delegations/new")
async def new_delegation(visit: ManagesCompany) -> Response:
    """The form for a delegation."""
    return await _delegation_page(visit, Form())


@router.post("/delegations/new")
async def make_delegation(request: Request, sent: SentForm, now: Now) -> Response:
    """Lets another company's technicians source one's parts, after a look at what that means."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        fields = sent.fields()
        company_id = fields.id("company_id", "a company")
        quantity = fields.whole("max_quantity", "Units in one request", low=1, high=1_000_000)
        value = fields.amount("max_value", "Value of one request")
        until = fields.day("valid_until", "Valid until")
        if until is not None and until <= now.date():
            fields.wrong("valid_until", "Choose a day after today.")
        fields.check("delegation.invalid")
        return await service.delegate(
            session,
            actor,
            company_id=company_id,
            max_quantity=quantity,
            max_value=value,
            now=now,
            valid_until=datetime.combine(until, time(), UTC) if until else None,
        )

    async def again(visit: Visit, form: Form) -> Response:
        return await _delegation_page(visit, form)

    async def confirm(visit: Visit, form: Form, _outcome: object) -> Response:
        return await _delegation_page(visit, form, confirm=True)

    to = "/company?done=delegated"
    return await submit(request, sent, "company.manage", act, now=now, to=to, again=again, confirm=confirm)


@router.get("/delegations/{delegation_id}/end")
async def end_delegation_page(visit: ManagesCompany, delegation_id: UUID) -> Response:
    """What ending it will do."""
    found = next((d for d in await queries.delegations(visit.session) if d.id == delegation_id), None)
    if found is None or found.maker_id != visit.actor.company_id or found.revoked_at is not None:
        raise missing("delegation.not_found", "No such delegation, or it has ended already.")
    return _page(visit, "end_delegation", Form(), delegation=found)


@router.post("/delegations/{delegation_id}/end")
async def end_delegation(request: Request, delegation_id: UUID, sent: SentForm, now: Now) -> Response:
    """Ends a delegation at once."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.revoke_delegation(session, delegation_id, now)

    async def confirm(visit: Visit, form: Form, _outcome: object) -> Response:
        return await end_delegation_page(visit, delegation_id)

    return await submit(
        request, sent, "company.manage", act, now=now, to="/company?done=delegation-ended", confirm=confirm
    )
