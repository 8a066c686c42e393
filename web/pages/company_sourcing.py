"""What a company states about sourcing: what happens by itself when an order back comes to nothing, and the rates by which prices of
other currencies are compared."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal, InvalidOperation
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.session import WriteSession
from marketplace.kit.errors import missing
from marketplace.kit.pages import cut, read_bookmark
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.sourcing import queries, service
from marketplace.sourcing.cascading import LARGEST_BP, LARGEST_DAYS, Rule
from marketplace.sourcing.rates import MOST_DAYS
from web.availability import URGENCIES
from web.forms import Fields, Form
from web.session import SentForm, Visit, submit, visits
from web.terms_form import read_share, share_text

router = APIRouter(prefix="/company", include_in_schema=False)
Sources = Annotated[Visit, visits("sourcing.read")]

DONE: Final = {
    "stated": "It counts for every order that comes to nothing from now on.",
    "rate": "The rate was recorded. Plans made from now on compare prices by it.",
}
WAYS: Final = (
    ("propose", "Propose the next best source"),
    ("at_once", "Order the next best source at once"),
)
RATES_SHOWN: Final = 50


# -- when an order comes to nothing ------------------------------------------------------------------------


@router.get("/cascade")
async def cascade(visit: Sources) -> Response:
    """The rule for each urgency in words, and for administrators the form."""
    return await _cascade(visit)


async def _cascade(visit: Visit, form: Form | None = None) -> Response:
    if not visit.actor.is_manufacturer:
        raise missing(
            "page.not_found", "Only a manufacturer says what happens when orders for its parts come to nothing."
        )
    rules = await queries.cascade_rules(visit.session, visit.actor.company_id)
    values: dict[str, str] = {}
    for urgency, rule in rules.items():
        values[f"{urgency}_way"] = "at_once" if rule.at_once else "propose"
        values[f"{urgency}_more"] = share_text(rule.most_more_bp)
        values[f"{urgency}_later"] = str(rule.most_later_days)
    return visit.show(
        "company/cascade.html", status_code=422 if form and form.bad else 200, form=form or Form(values), rules=rules, urgencies=URGENCIES,
        ways=WAYS, most_days=LARGEST_DAYS, manages=visit.actor.may("company.manage"), done=DONE.get(visit.asked("done")),
        crumbs=[("Company", "/company")],
    )  # fmt: skip


@router.post("/cascade")
async def state_cascade(request: Request, sent: SentForm, now: Now) -> Response:
    """States the rules that were changed."""

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        wanted = {urgency: _rule(fields, urgency, words) for urgency, words, _ in URGENCIES}
        fields.check("cascade.invalid", "The rules were not changed.")
        stated = await queries.cascade_rules(session, actor.company_id)
        for urgency, rule in wanted.items():
            if rule != stated[urgency]:
                await service.state_rule(session, actor, urgency, rule, now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _cascade(visit, form)

    return await submit(request, sent, "company.manage", act, now=now, to="/company/cascade?done=stated", again=again)


def _rule(fields: Fields, urgency: str, words: str) -> Rule:
    way = fields.one_of(f"{urgency}_way", f"what happens ({words.lower()})", [key for key, _ in WAYS])
    more = read_share(fields, f"{urgency}_more", "How much more a unit may cost", 0, LARGEST_BP)
    later = fields.whole(f"{urgency}_later", "How many days later", low=0, high=LARGEST_DAYS)
    return Rule(way == "at_once", more or 0, later)


# -- rates -------------------------------------------------------------------------------------------------


@router.get("/rates")
async def rates(visit: Sources) -> Response:
    """The newest rate of each currency with whether it still counts, the form for one more, and what was stated before."""
    return await _rates(visit)


async def _rates(visit: Visit, form: Form | None = None) -> Response:
    session, actor = visit.session, visit.actor
    mark = read_bookmark(visit.asked("after") or None, visit.secret, UUID)
    rows = await queries.rates_stated(session, actor.company_id, after=mark[0] if mark else None, limit=RATES_SHOWN + 1)
    page = cut(rows, RATES_SHOWN, lambda r: [r.id], visit.secret)
    today = visit.now.astimezone(UTC).date()
    newest = await queries.newest_rates(session, actor.company_id, actor.currency, today)
    return visit.show(
        "company/rates.html", status_code=422 if form and form.bad else 200, rows=page.items, following=page.next, newest=newest,
        form=form or Form({"into": actor.currency, "day": today.isoformat()}), old=lambda day: (today - day).days > MOST_DAYS,
        most_days=MOST_DAYS, manages=actor.may("company.manage"), done=DONE.get(visit.asked("done")), crumbs=[("Company", "/company")],
        last_day=today.isoformat(),
    )  # fmt: skip


@router.post("/rates")
async def record_rate(request: Request, sent: SentForm, now: Now) -> Response:
    """Records a rate of one day."""

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        currency = fields.text("currency", "Currency", most=3).upper()
        into = fields.text("into", "Into", most=3).upper()
        day = fields.day("day", "Day", required=True)
        source = fields.text("source", "Whose rate it is", most=120)
        rate = _decimal(fields, fields.text("rate", "Rate", most=20))
        fields.check("rate.invalid", "The rate was not recorded.")
        assert day is not None  # noqa: S101 - required, so check has refused its absence
        await service.record_rate(
            session, actor, currency=currency, into=into, day=day, rate=rate, source=source, now=now
        )

    async def again(visit: Visit, form: Form) -> Response:
        return await _rates(visit, form)

    return await submit(request, sent, "company.manage", act, now=now, to="/company/rates?done=rate", again=again)


def _decimal(fields: Fields, text: str) -> Decimal:
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal("NaN")
    if text and (not found.is_finite() or found <= 0 or -int(found.as_tuple().exponent) > 9):
        fields.wrong(
            "rate", f"'{text[:20]}' is no rate. Write it like 1.0712, with at most nine digits after the point."
        )
        return Decimal(1)
    return found
