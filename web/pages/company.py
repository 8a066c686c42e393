"""One's own company: sites, people, API keys, delegations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.session import WriteSession
from marketplace.kit.errors import missing
from marketplace.kit.money import Money
from marketplace.parties import queries, service
from marketplace.parties.actor import VERBS, Actor
from marketplace.parties.permissions import Now
from web.forms import Fields, Form
from web.session import SentForm, Visit, looking, submit, visits
from web.terms_form import read_share, share_text

router = APIRouter(prefix="/company", include_in_schema=False)
ReadsCompany = Annotated[Visit, visits("company.read")]
ManagesCompany = Annotated[Visit, visits("company.manage")]

FIRST: Final = 20
"""Sites and people on the company's page; all of them have a list of their own."""
MOST_CHOICES: Final = 1_000
"""Companies to choose from."""
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
    "holders-hidden": "Who holds your units is hidden from your technicians and delegates, from their next click.",
    "holders-shown": "Who holds your units is shown to your technicians and delegates again.",
    "market": "The expected worth was changed. What was classified before stays as it is.",
    "rate": "The discount rate was changed. What was classified before keeps the rate of its day.",
    "site": "The site was added.",
    "site-changed": "The site was changed.",
    "site-closed": "The site was closed. It stands under closed sites, should you need it again.",
    "site-open": "The site is open again.",
    "person": "The person was added and can sign in now.",
    "person-changed": "The person was changed. Roles count from their next click.",
    "person-off": "Switched off. Their sessions and API keys ended at once.",
    "person-on": "Switched on. They can sign in again.",
    "key-revoked": "The key was revoked. It stopped working at once.",
    "delegated": "The delegation is in force.",
    "delegation-ended": "The delegation has ended. What was ordered before goes on.",
    "key-made": "The key had been made already. Its secret was shown that one time; revoke it and make another if it is lost.",
}
KEY_DAYS: Final = (("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("", "No expiry"))


@router.get("")
async def company(visit: ReadsCompany) -> Response:
    """Everything about the company; what may be changed only for who may."""
    return await _company_page(visit)


async def _company_page(
    visit: Visit, form: Form | None = None, rate_form: Form | None = None, market_form: Form | None = None
) -> Response:
    session, actor = visit.session, visit.actor
    manages = actor.may("company.manage")
    opened, closed = await queries.count_sites(session, actor)
    people = await queries.users(session, actor, limit=FIRST + 1)
    own = await queries.company(session, actor.company_id)
    rate, market = await queries.assumptions(session, actor.company_id)
    return visit.show(
        "company/company.html",
        company=own,
        form=form or Form({"mask_holders": "yes"} if own.mask_holders else {}),
        rate=rate,
        rate_form=rate_form or Form({"discount_rate": "" if rate is None else share_text(rate)}),
        market_form=market_form or Form({"expected_market": "" if market is None else share_text(market)}),
        sites=await queries.sites(session, actor, limit=FIRST),
        all_sites=opened,
        closed=closed,
        people=people[:FIRST],
        more_people=len(people) > FIRST,
        keys=await queries.api_keys(session, actor) if manages else [],
        delegations=await queries.delegations(session),
        ended=lambda delegation: delegation.ended(visit.now),
        amount=Money,
        manages=manages,
        done=DONE.get(visit.asked("done")),
    )


@router.post("/mask-holders")
async def mask_holders(request: Request, sent: SentForm, now: Now) -> Response:
    """Hides who holds the company's units, or shows it again, as the box says."""
    hidden = sent.fields().yes("mask_holders")

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.mask_holders(session, actor, hidden=hidden)

    async def again(visit: Visit, form: Form) -> Response:
        return await _company_page(visit, form)

    to = f"/company?done={'holders-hidden' if hidden else 'holders-shown'}"
    return await submit(request, sent, "company.manage", act, now=now, to=to, again=again)


@router.post("/discount-rate")
async def discount_rate(request: Request, sent: SentForm, now: Now) -> Response:
    """States the discount rate that books are reckoned with; an empty box takes it away."""

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        rate = read_share(fields, "discount_rate", "The discount rate", 0, 10_000, optional=True)
        fields.check()
        await service.set_discount_rate(session, actor, rate, now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _company_page(visit, None, form)

    return await submit(request, sent, "company.manage", act, now=now, to="/company?done=rate", again=again)


@router.post("/expected-market")
async def expected_market(request: Request, sent: SentForm, now: Now) -> Response:
    """States what units are expected to be worth when their holders may sell them back; an empty box takes it away."""

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        worth = read_share(fields, "expected_market", "The expected worth", 0, 100_000, optional=True)
        fields.check()
        await service.set_expected_market(session, actor, worth, now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _company_page(visit, None, None, form)

    return await submit(request, sent, "company.manage", act, now=now, to="/company?done=market", again=again)


def company_page(visit: Visit, what: str, form: Form, **more: Any) -> Response:
    return visit.show(f"company/{what}.html", form=form, crumbs=[("Company", "/company")], **more)


# -- API keys --------------------------------------------------------------------------------------------


def _key_page(visit: Visit, form: Form) -> Response:
    return company_page(visit, "key", form, verbs=[(verb, words) for verb, (_, words) in VERBS.items()], days=KEY_DAYS)


@router.get("/keys/new")
async def new_key(visit: ManagesCompany) -> Response:
    """The form for an API key."""
    visit.actor.require_recent(visit.now)
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
        made, secret = await service.create_api_key(session, actor, name=name, scopes=scopes, expires_at=ends, now=now)
        shown.append(secret)
        return made

    async def again(visit: Visit, form: Form) -> Response:
        return _key_page(visit, form)

    done = await submit(request, sent, "company.manage", act, now=now, to="/company?done=key-made", again=again)
    return done if done.status_code != 303 or not shown else await _shown_once(request, shown[0], now)


async def _shown_once(request: Request, secret: str, now: datetime) -> Response:
    async def page(visit: Visit) -> Response:
        response = company_page(visit, "key_made", Form(), secret=secret)
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
    return company_page(visit, "revoke_key", Form(), key=key)


@router.post("/keys/{key_id}/revoke")
async def revoke_key(request: Request, key_id: UUID, sent: SentForm, now: Now) -> Response:
    """Ends a key at once."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.revoke_api_key(session, actor, key_id, now)

    async def confirm(visit: Visit, form: Form, _outcome: object) -> Response:
        return await revoke_key_page(visit, key_id)

    return await submit(request, sent, "company.manage", act, now=now, to="/company?done=key-revoked", confirm=confirm)


# -- delegations -----------------------------------------------------------------------------------------


async def _delegation_page(visit: Visit, form: Form, *, confirm: bool = False) -> Response:
    found = await queries.companies(visit.session, limit=MOST_CHOICES + 1)
    companies = [c for c in found[:MOST_CHOICES] if c.id != visit.actor.company_id]
    named = {str(c.id): c.name for c in companies}
    chosen = Fields(form.values).id("company_id", "a company")
    if chosen not in {UUID(int=0), visit.actor.company_id} and str(chosen) not in named:
        # Beyond the list (sent by a program, or others have come before it): named all the same, and kept in the form.
        beyond = await queries.companies(visit.session, ids=[chosen], limit=1)
        companies += beyond
        named |= {str(c.id): c.name for c in beyond}
    more = MOST_CHOICES if len(found) > MOST_CHOICES else 0
    return company_page(
        visit,
        "delegation",
        form,
        companies=companies,
        more_companies=more,
        asked=confirm,
        other=named.get(form.value("company_id"), ""),
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
    return company_page(visit, "end_delegation", Form(), delegation=found)


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
