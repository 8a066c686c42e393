"""The people of one's own company: add, change, switch off and on."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.session import WriteSession
from marketplace.kit.pages import cut, read_bookmark
from marketplace.parties import queries, service
from marketplace.parties.actor import ROLES, Actor
from marketplace.parties.passwords import objection
from marketplace.parties.permissions import Now
from web.forms import Form, Value
from web.pages.company import ROLE_WORDS, company_page
from web.session import Sent, SentForm, Visit, submit, uuid_of, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/company", include_in_schema=False)
ReadsCompany = Annotated[Visit, visits("company.read")]
ManagesCompany = Annotated[Visit, visits("company.manage")]
PER_PAGE: Final = 50
COLUMNS: Final = (Column("name", "Name"), Column("roles", "Roles"), Column("site", "Site"))


@router.get("/people")
async def all_people(visit: ReadsCompany) -> Response:
    """Everybody by name, searched and paged."""
    after = read_bookmark(visit.asked("after") or None, visit.secret, str, UUID)
    search = visit.asked("search") or None
    found = await queries.users(visit.session, visit.actor, search=search, after=after, limit=PER_PAGE + 1)
    page = cut(found, PER_PAGE, lambda row: [row.name, row.id], visit.secret)
    return visit.show(
        "company/people.html",
        rows=page.items,
        view=TableView.of(visit.request, COLUMNS).with_next(page.next),
        manages=visit.actor.may("company.manage"),
    )


async def _person_page(visit: Visit, form: Form, person: queries.UserRow | None = None) -> Response:
    sites = await queries.sites(visit.session, visit.actor)
    roles = [(role, role.capitalize(), ROLE_WORDS[role]) for role in ROLES]
    return company_page(visit, "person", form, sites=sites, roles=roles, person=person)


@router.get("/people/new")
async def new_person(visit: ManagesCompany) -> Response:
    """The form for a person."""
    visit.actor.require_recent(visit.now)
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
        if words := objection(password):
            fields.wrong("password", words)
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
            actor,
            company_id=actor.company_id,
            email=email,
            name=name,
            password=password,
            roles=roles,
            site_id=site_id,
            order_limit=limit,
            now=now,
        )

    async def again(visit: Visit, form: Form) -> Response:
        return await _person_page(visit, form)

    kept = Sent(public, sent.key, sent.confirmed)
    return await submit(request, kept, "company.manage", act, now=now, to="/company?done=person", again=again)


@router.get("/people/{user_id}")
async def one_person(visit: ManagesCompany, user_id: UUID) -> Response:
    """A person to change, or to switch off or on."""
    person = await queries.user(visit.session, visit.actor, user_id)
    values: dict[str, Value] = {
        "name": person.name,
        "roles": tuple(person.roles),
        "site_id": str(person.site_id or ""),
        "order_limit": "" if person.order_limit_amount is None else f"{person.order_limit_amount.normalize():f}",
    }
    return await _person_page(visit, Form(values), person)


@router.post("/people/{user_id}")
async def change_person(request: Request, user_id: UUID, sent: SentForm, now: Now) -> Response:
    """Changes a person; an empty password leaves theirs as it is."""
    public = {name: value for name, value in sent.values.items() if name != "password"}

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        name = fields.text("name", "Name", most=120)
        password = sent.form().value("password")
        if password and (words := objection(password)):
            fields.wrong("password", words)
        roles = fields.many("roles")
        if not roles:
            fields.wrong("roles", "Choose at least one role.")
        limit = fields.amount("order_limit", "Limit") if sent.form().value("order_limit").strip() else None
        site_id = uuid_of(sent.form().value("site_id"))
        fields.check("user.invalid")
        if site_id is not None:
            await queries.own_site(session, actor, site_id)
        await service.change_user(
            session,
            actor,
            user_id,
            name=name,
            roles=roles,
            site_id=site_id,
            order_limit=limit,
            password=password or None,
            now=now,
        )

    async def again(visit: Visit, form: Form) -> Response:
        return await _person_page(visit, form, await queries.user(visit.session, visit.actor, user_id))

    kept = Sent(public, sent.key, sent.confirmed)
    return await submit(request, kept, "company.manage", act, now=now, to="/company?done=person-changed", again=again)


@router.get("/people/{user_id}/switch")
async def switch_page(visit: ManagesCompany, user_id: UUID) -> Response:
    """What switching somebody off or on does."""
    person = await queries.user(visit.session, visit.actor, user_id)
    return company_page(visit, "switch_person", Form(), person=person)


@router.post("/people/{user_id}/switch")
async def switch(request: Request, user_id: UUID, sent: SentForm, now: Now) -> Response:
    """Switches a person off or on, as the form says, whatever they are by now."""
    active = sent.form().value("active") == "yes"

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.switch_user(session, actor, user_id, active=active, now=now)

    async def page(visit: Visit, form: Form, _outcome: object = None) -> Response:
        person = await queries.user(visit.session, visit.actor, user_id)
        return company_page(visit, "switch_person", form, person=person)

    to = f"/company?done=person-{'on' if active else 'off'}"
    return await submit(request, sent, "company.manage", act, now=now, to=to, again=page, confirm=page)
