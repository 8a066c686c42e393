"""A company as those see it that deal with it: what it says of itself, its sites on a map, whom to ring, and its track record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from marketplace.db.session import WriteSession
from marketplace.parties import queries as parties
from marketplace.parties import service
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.parties.queries import profiles
from marketplace.sourcing.queries.records import track_record
from marketplace.sourcing.refusals import REFUSALS
from marketplace.sourcing.track_record import DEFINITIONS, FEWEST_MAKERS, PERIODS, lasting, period
from web.forms import Form
from web.pages.company import company_page
from web.session import SentForm, Visit, submit, visits

router = APIRouter(include_in_schema=False)
ReadsPartner = Annotated[Visit, visits("agreement.read")]
"""A partner is named on this page, so it is closed to those to whom their company does not name its holders."""
ManagesCompany = Annotated[Visit, visits("company.manage")]
FIRST: Final = 50
"""Sites in the list; the map has all."""
SCOPES: Final[Mapping[str, str]] = {"yours": "Your orders", "all": "All manufacturers' orders"}


@router.get("/partners/{company_id}")
async def partner(visit: ReadsPartner, company_id: UUID) -> Response:
    """Of one's own company it shows what the others see."""
    session = visit.session
    found = await profiles.profile(session, visit.actor, company_id)
    all_sites = await profiles.sites_of(session, company_id)
    sites = all_sites[:FIRST]
    contacts = await parties.contacts(session, [s.id for s in sites])
    asked = visit.choice("days", {str(days) for days in PERIODS})
    days = int(asked) if asked else PERIODS[0]
    since, until = period(visit.now, days)
    records = await track_record(session, company_id, since, until)
    return visit.show(
        "company/partner.html",
        of=found,
        own=company_id == visit.actor.company_id,
        sites=sites,
        all_sites=len(all_sites),
        contacts={s.id: [c for c in contacts if c.site_id == s.id] for s in sites},
        places=f"/partners/{company_id}/places.geojson" if any(s.lat is not None for s in all_sites) else "",
        records=records,
        shown=any(r.orders or r.counted or r.shortages for r in records),
        scopes=SCOPES,
        since=since,
        until=until,
        days=days,
        periods=PERIODS,
        definitions=DEFINITIONS,
        fewest=FEWEST_MAKERS,
        refusals=REFUSALS,
        lasting=lasting,
    )


@router.get("/partners/{company_id}/places.geojson")
async def places(visit: ReadsPartner, company_id: UUID) -> Response:
    """Its sites as points for the map."""
    await profiles.profile(visit.session, visit.actor, company_id)
    features: list[dict[str, Any]] = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [s.lon, s.lat]},
            "properties": {"title": s.name, "text": f"{s.place}, {s.region} {s.country}".strip(), "row": f"s-{s.id}"},
        }
        for s in await profiles.sites_of(visit.session, company_id)
        if s.lat is not None
    ]
    return JSONResponse({"type": "FeatureCollection", "features": features}, media_type="application/geo+json")


@router.get("/company/profile")
async def profile_form(visit: ManagesCompany) -> Response:
    """The form for what the company says about itself."""
    own = await profiles.profile(visit.session, visit.actor, visit.actor.company_id)
    values = {"about": own.about, "website": own.website, "telephone": own.telephone, "email": own.email}
    return company_page(visit, "profile", Form(values))


@router.post("/company/profile")
async def state_profile(request: Request, sent: SentForm, now: Now) -> Response:
    """All of it at once; what is left empty is not said."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        fields = sent.fields()
        said = {
            "about": sent.form().value("about").replace("\r\n", "\n"),
            "website": fields.text("website", "Website", required=False, most=200),
            "telephone": fields.text("telephone", "Telephone", required=False, most=40),
            "email": fields.text("email", "E-mail address", required=False, most=200),
        }
        fields.check("profile.invalid")
        await service.state_profile(session, actor, **said, now=now)
        return actor.company_id

    async def again(visit: Visit, form: Form) -> Response:
        return company_page(visit, "profile", form)

    to = "/partners/{}".format
    return await submit(request, sent, "company.manage", act, now=now, to=to, again=again)
