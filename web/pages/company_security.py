"""What a company asks of its people, who is invited, and what was done about security; for administrators."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.session import WriteSession
from marketplace.kit.pages import cut, read_bookmark
from marketplace.parties import queries as parties
from marketplace.parties import service
from marketplace.parties.actor import ROLES, Actor
from marketplace.parties.permissions import Now
from marketplace.parties.queries import accounts as queries
from web.forms import Form
from web.pages.account import acts_page
from web.pages.company import ROLE_WORDS, company_page
from web.session import SentForm, Visit, submit, uuid_of, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/company", include_in_schema=False)
ManagesCompany = Annotated[Visit, visits("company.manage")]
PER_PAGE: Final = 50
INVITED: Final = (
    Column("email", "E-mail address"), Column("roles", "Roles"), Column("status", "State"), Column("sent", "Sent"),
    Column("act", "Withdraw or send again", hidden_label=True),
)  # fmt: skip
DONE: Final = {
    "invited": "The invitation is on its way. It works once, for seven days.",
    "again": "The invitation is on its way once more; its seven days begin anew.",
    "withdrawn": "The invitation was withdrawn. Its link stopped working at once.",
    "asked": "Everybody needs a second factor, from their next click on.",
    "not-asked": "A second factor is everybody's own choice again.",
    "factor-reset": "The second factor was removed, their sessions have ended, and they were told by mail.",
}


@router.get("/security")
async def security(visit: ManagesCompany) -> Response:
    """Whether everybody needs a second factor, and the latest acts."""
    return await _security_page(visit)


async def _security_page(visit: Visit, form: Form | None = None) -> Response:
    asked = await queries.factor_required(visit.session, visit.actor.company_id)
    return company_page(
        visit,
        "security",
        form or Form({"second_factor": "yes"} if asked else {}),
        asked=asked,
        without=await queries.without_factor(visit.session, visit.actor.company_id),
        acts=await queries.acts(visit.session, visit.actor, everybody=True, limit=10),
        done=DONE.get(visit.asked("done")),
    )


@router.post("/security")
async def set_security(request: Request, sent: SentForm, now: Now) -> Response:
    """As the box says."""
    asked = sent.fields().yes("second_factor")

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.require_factor(session, actor, required=asked, now=now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _security_page(visit, form)

    to = f"/company/security?done={'asked' if asked else 'not-asked'}"
    return await submit(request, sent, "company.manage", act, now=now, to=to, again=again)


@router.get("/security/acts")
async def acts(visit: ManagesCompany) -> Response:
    """All of them."""
    return await acts_page(visit, everybody=True)


# -- invitations -----------------------------------------------------------------------------------------


@router.get("/invitations")
async def invitations(visit: ManagesCompany) -> Response:
    """Newest first."""
    after = read_bookmark(visit.asked("after") or None, visit.secret, UUID)
    found = await queries.invitations(visit.session, visit.actor, after=after[0] if after else None, limit=PER_PAGE + 1)
    page = cut(found, PER_PAGE, lambda row: [row.id], visit.secret)
    return company_page(
        visit,
        "invitations",
        Form(),
        rows=page.items,
        view=TableView.of(visit.request, INVITED).with_next(page.next),
        status=lambda row: row.status(visit.now),
        done=DONE.get(visit.asked("done")),
    )


async def _invite_page(visit: Visit, form: Form) -> Response:
    sites = await parties.sites(visit.session, visit.actor)
    roles = [(role, role.capitalize(), ROLE_WORDS[role]) for role in ROLES]
    return company_page(visit, "invite", form, sites=sites, roles=roles)


@router.get("/invitations/new")
async def new_invitation(visit: ManagesCompany) -> Response:
    """The form."""
    visit.actor.require_recent(visit.now)
    return await _invite_page(visit, Form())


@router.post("/invitations/new")
async def invite(request: Request, sent: SentForm, now: Now) -> Response:
    """Mails the link."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        fields = sent.fields()
        email = fields.text("email", "E-mail address")
        roles = fields.many("roles")
        if not roles:
            fields.wrong("roles", "Choose at least one role.")
        limit = fields.amount("order_limit", "Limit") if sent.form().value("order_limit").strip() else None
        fields.check("user.invalid")
        return await service.invite(
            session, actor, email=email, roles=roles, site_id=uuid_of(sent.form().value("site_id")), order_limit=limit,
            now=now,
        )  # fmt: skip

    async def again(visit: Visit, form: Form) -> Response:
        return await _invite_page(visit, form)

    to = "/company/invitations?done=invited"
    return await submit(request, sent, "company.manage", act, now=now, to=to, again=again)


@router.post("/invitations/{invitation_id}/send-again")
async def send_again(request: Request, invitation_id: UUID, sent: SentForm, now: Now) -> Response:
    """Its seven days begin anew."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.send_again(session, actor, invitation_id, now)

    return await submit(request, sent, "company.manage", act, now=now, to="/company/invitations?done=again")


@router.get("/invitations/{invitation_id}/withdraw")
async def withdraw_page(visit: ManagesCompany, invitation_id: UUID) -> Response:
    """What withdrawing does."""
    found = await queries.invitation(visit.session, invitation_id, visit.actor.company_id)
    return company_page(visit, "withdraw", Form(), invitation=found)


@router.post("/invitations/{invitation_id}/withdraw")
async def withdraw(request: Request, invitation_id: UUID, sent: SentForm, now: Now) -> Response:
    """The link stops working."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.withdraw(session, actor, invitation_id, now)

    async def confirm(visit: Visit, _form: Form, _outcome: object) -> Response:
        return await withdraw_page(visit, invitation_id)

    to = "/company/invitations?done=withdrawn"
    return await submit(request, sent, "company.manage", act, now=now, to=to, confirm=confirm)


# -- somebody's second factor ----------------------------------------------------------------------------


@router.get("/people/{user_id}/second-factor")
async def reset_factor_page(visit: ManagesCompany, user_id: UUID) -> Response:
    """What removing it for somebody does."""
    visit.actor.require_recent(visit.now)
    return await _reset_factor_page(visit, user_id, Form())


async def _reset_factor_page(visit: Visit, user_id: UUID, form: Form) -> Response:
    return company_page(visit, "reset_factor", form, person=await queries.account(visit.session, visit.actor, user_id))


@router.post("/people/{user_id}/second-factor")
async def reset_factor(request: Request, user_id: UUID, sent: SentForm, now: Now) -> Response:
    """Removes it, ends the sessions, tells the person, records it."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.reset_factor(session, actor, user_id, now)

    async def page(visit: Visit, form: Form, _outcome: Any = None) -> Response:
        return await _reset_factor_page(visit, user_id, form)

    to = "/company/security?done=factor-reset"
    return await submit(request, sent, "company.manage", act, now=now, to=to, again=page, confirm=page)
