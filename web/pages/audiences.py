"""Whom a company lets see what: groups of partners, blocks, clearances, controlled parts, prices; and who sees one posting from when on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.errors import missing
from marketplace.kit.money import Money, amount_cell
from marketplace.kit.pages import cut, read_bookmark
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.listings import queries, service
from marketplace.listings.windows import Window
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.parts import queries as parts
from marketplace.parts.numbers import Asked, Match, normalise
from web.exports import list_csv, wants_csv
from web.forms import Fields, Form
from web.pages.releases import crumbs, own
from web.session import Sent, SentForm, Visit, submit, uuid_of, visits
from web.tables import Column, TableView
from web.terms_form import read_share, share_text

router = APIRouter(include_in_schema=False)
ReadsReleases = Annotated[Visit, visits("release.read")]

SHOWN: Final = 200
MOST_PARTNERS: Final = 500
WINDOWS: Final = 3
PER_PAGE: Final = 50
SEEN_COLUMNS: Final = (
    Column("part", "Part"), Column("available", "Available", "end"), Column("price", "Price", "end"), Column("seen", "Whether it is seen"),
)  # fmt: skip
SEEN_CSV: Final = (
    "Part number", "Description", "Place", "Condition", "Available", "Unit", "Posted price", "Price for this partner", "Currency", "Seen now", "Why",
    "From",
)  # fmt: skip
WHY: Final = {
    "seen": "Seen", "later": "Not yet", "not_asked": "Not open to this partner", "blocked": "You have blocked this partner",
    "not_cleared": "Controlled, and this partner is not cleared",
}  # fmt: skip
DONE: Final = {
    "group": "The group was saved. It counts from now on, for postings that are out too.",
    "gone": "The group was deleted.",
    "block": "The partner sees nothing of your postings from now on. Orders that exist go on.",
    "lifted": "The block was lifted.",
    "cleared": "The partner sees and buys your controlled parts.",
    "withdrawn": "The clearance was withdrawn.",
    "controlled": "Only cleared partners see your lines of this part.",
    "freed": "The part is off your list.",
    "price": "The price counts from now on.",
    "ended": "The price was ended. Orders keep what they were placed at.",
    "audience": "That is who sees it from now on.",
}


@router.get("/audiences")
async def audiences(visit: ReadsReleases) -> Response:
    """Everything on one page, with the forms to change it."""
    return await _page(visit, Form())


async def _partners(visit: Visit) -> list[tuple[str, str]]:
    found = await parties.companies(visit.session, partners_only=True, limit=MOST_PARTNERS)
    return [(str(c.id), c.name) for c in found if c.id != visit.actor.company_id]


async def _page(visit: Visit, form: Form) -> Response:
    company = visit.actor.company_id
    if not visit.actor.is_manufacturer:
        raise missing("page.not_found", "Only a manufacturer posts surplus, so only it says who sees it.")
    groups = await queries.groups(visit.session, company, limit=SHOWN)
    changing = next((g for g in groups if str(g.id) == (form.value("group_id") or visit.asked("group"))), None)
    if changing and not form.bad:
        form = Form(
            {"group_id": str(changing.id), "name": changing.name, "members": [str(i) for i in changing.partner_ids]}
        )
    partners = await _partners(visit)
    who = [(f"g:{g.id}", f"Group: {g.name}") for g in groups] + [(f"p:{i}", name) for i, name in partners]
    return visit.show(
        "releases/audiences.html", status_code=422 if form.bad else 200, form=form, groups=groups, changing=changing,
        blocks=await queries.blocks(visit.session, company, limit=SHOWN),
        clearances=await queries.clearances(visit.session, company, limit=SHOWN),
        controlled=await queries.controlled_parts(visit.session, company, limit=SHOWN),
        prices=await queries.prices(visit.session, company, limit=SHOWN), partners=partners, who=who, share=share_text,
        money=lambda p: Money(p.unit_price, p.currency), may_write=visit.actor.may("release.write"), done=DONE.get(visit.asked("done")),
        key=lambda: Form().key, utc_today=visit.now.astimezone(UTC).date(),
    )  # fmt: skip


async def _act(
    request: Request,
    sent: Sent,
    now: datetime,
    done: str,
    act: Callable[[WriteSession, Actor, Fields], Awaitable[object]],
) -> Response:
    async def run(session: WriteSession, actor: Actor) -> None:
        await act(session, actor, sent.fields())

    return await submit(request, sent, "release.write", run, now=now, to=f"/audiences?done={done}", again=_page)


@router.post("/audiences/groups")
async def save_group(request: Request, sent: SentForm, now: Now) -> Response:
    """A new group, or another name and other members of one."""

    async def act(session: WriteSession, actor: Actor, fields: Fields) -> None:
        name = fields.text("name", "Name", most=80)
        members = [i for text in fields.many("members") if (i := uuid_of(text))]
        fields.check("group.invalid", "The group was not saved.")
        if group := uuid_of(sent.form().value("group_id")):
            await service.change_group(session, actor, group, name, members)
        else:
            await service.make_group(session, actor, name, members, now)

    return await _act(request, sent, now, "group", act)


@router.post("/audiences/groups/{group_id}/delete")
async def delete_group(request: Request, sent: SentForm, group_id: UUID, now: Now) -> Response:
    """Refused while a posting or a price names it."""
    return await _act(request, sent, now, "gone", lambda s, a, _: service.delete_group(s, a, group_id))


@router.post("/audiences/blocks")
async def block(request: Request, sent: SentForm, now: Now) -> Response:
    """Blocks a partner."""

    async def act(session: WriteSession, actor: Actor, fields: Fields) -> None:
        partner, reason = fields.id("blocked", "the partner"), fields.text("reason", "Reason", most=500)
        fields.check("block.invalid", "Nobody was blocked.")
        await service.block(session, actor, partner, reason, now)

    return await _act(request, sent, now, "block", act)


@router.post("/audiences/blocks/{block_id}/lift")
async def lift(request: Request, sent: SentForm, block_id: UUID, now: Now) -> Response:
    """Lifts a block."""
    return await _act(request, sent, now, "lifted", lambda s, a, _: service.lift_block(s, a, block_id, now))


@router.post("/audiences/clearances")
async def clear(request: Request, sent: SentForm, now: Now) -> Response:
    """Records a clearance."""

    async def act(session: WriteSession, actor: Actor, fields: Fields) -> None:
        partner, reference = (
            fields.id("cleared", "the partner"),
            fields.text("reference", "Licence or screening", most=120),
        )
        until = fields.day("valid_until", "Last day", required=True)
        fields.check("clearance.invalid", "Nothing was recorded.")
        assert until is not None  # noqa: S101 - required, so check has refused its absence
        await service.clear(session, actor, partner, reference, until, now)

    return await _act(request, sent, now, "cleared", act)


@router.post("/audiences/clearances/{clearance_id}/withdraw")
async def withdraw(request: Request, sent: SentForm, clearance_id: UUID, now: Now) -> Response:
    """Withdraws a clearance."""
    return await _act(
        request, sent, now, "withdrawn", lambda s, a, _: service.withdraw_clearance(s, a, clearance_id, now)
    )


@router.post("/audiences/controlled-parts")
async def control(request: Request, sent: SentForm, now: Now) -> Response:
    """Puts the part with exactly this number on the list; parts of several makers with one number all go on it."""

    async def act(session: WriteSession, actor: Actor, fields: Fields) -> None:
        number, classification = (
            fields.text("number", "Part number", most=80),
            fields.text("classification", "Classification", most=40),
        )
        fields.check("controlled.invalid", "The part was not put on the list.")
        found = await parts.find(session, [Asked(number, normalise(number))])
        ids = sorted({h.part_id for hits in found.hits.values() for h in hits if h.step is Match.EXACT})
        if not ids:
            raise missing(
                "part.not_found", f"The catalogue knows no part with exactly the number '{number}'.", field="number"
            )
        for part in ids:
            await service.control_part(session, actor, part, classification, now)

    return await _act(request, sent, now, "controlled", act)


@router.post("/audiences/controlled-parts/{part_id}/free")
async def free(request: Request, sent: SentForm, part_id: UUID, now: Now) -> Response:
    """Takes a part off the list."""
    return await _act(request, sent, now, "freed", lambda s, a, _: service.free_part(s, a, part_id))


@router.post("/audiences/prices")
async def price(request: Request, sent: SentForm, now: Now) -> Response:
    """A share off everything, or off one posting named by its reference."""

    async def act(session: WriteSession, actor: Actor, fields: Fields) -> None:
        kind, _, text = fields.text("who", "For whom").partition(":")
        who = uuid_of(text)
        if who is None:
            fields.wrong("who", "Choose a group or a partner.")
        off = read_share(fields, "off", "Share off the posted price", 1, 10_000)
        reference = fields.text("posting", "Posting", required=False, most=40)
        fields.check("price.invalid", "The price was not saved.")
        release = await queries.release_named(session, actor.company_id, reference) if reference else None
        await service.set_price(
            session, actor,
            service.NewPrice(
                partner_id=who if kind == "p" else None, group_id=who if kind == "g" else None, release_id=release, off_bp=off
            ), now,
        )  # fmt: skip

    return await _act(request, sent, now, "price", act)


@router.post("/audiences/prices/{price_id}/end")
async def end_price(request: Request, sent: SentForm, price_id: UUID, now: Now) -> Response:
    """Ends a price."""
    return await _act(request, sent, now, "ended", lambda s, a, _: service.end_price(s, a, price_id, now))


# -- one posting -------------------------------------------------------------------------------------------


@router.get("/releases/{release_id}/audience")
async def audience(visit: ReadsReleases, release_id: UUID) -> Response:
    """Who sees a posting from when on, as it stands, and the form for another way."""
    return await _audience(visit, release_id, None)


async def _audience(visit: Visit, release_id: UUID, form: Form | None) -> Response:
    release = await own(visit, release_id)
    told = await queries.whole_audience(visit.session, release)
    zone = ZoneInfo(visit.zone)
    values: dict[str, Any] = {}
    moments = list(dict.fromkeys(w.opens_at for w in told))[:WINDOWS]
    for n, at in enumerate(moments, 1):
        some = [w for w in told if w.opens_at == at]
        values[f"at{n}"] = at.astimezone(zone).strftime("%Y-%m-%dT%H:%M") if at else ""
        values[f"everyone{n}"] = "yes" if any(w.partner_id is None and w.group_id is None for w in some) else ""
        values[f"groups{n}"] = [str(w.group_id) for w in some if w.group_id]
        values[f"partners{n}"] = [str(w.partner_id) for w in some if w.partner_id]
    shown = form or Form(values)
    groups = await queries.groups(visit.session, visit.actor.company_id, limit=SHOWN)
    return visit.show(
        "releases/audience.html", status_code=422 if shown.bad else 200, release=release, told=told, form=shown, zone=visit.zone,
        groups=[(str(g.id), f"{g.name} ({len(g.partner_ids)})") for g in groups], partners=await _partners(visit),
        numbers=range(1, WINDOWS + 1), crumbs=crumbs(release), may_write=visit.actor.may("release.write") and release.status != "closed",
        done=DONE.get(visit.asked("done")),
    )  # fmt: skip


@router.get("/releases/{release_id}/seen-by")
async def seen_by(visit: ReadsReleases, release_id: UUID, now: Now) -> Response:
    """The posting as one partner meets it (``?partner=``): each line with its price, or what keeps it from being seen."""
    release = await own(visit, release_id)
    partners = await _partners(visit)
    partner = next(((i, name) for i, name in partners if i == visit.asked("partner")), None)

    async def page(
        session: ReadSession, mark: str | None, rows: int
    ) -> tuple[Sequence[queries.PreviewRow], str | None]:
        key = read_bookmark(mark, visit.secret, UUID)
        found = await queries.preview(
            session, visit.actor.company_id, release_id, UUID(partner[0]) if partner else release_id, now, after=key[0] if key else None,
            limit=rows + 1,
        )  # fmt: skip
        some = cut(found, rows, lambda row: [row.id], visit.secret)
        return some.items, some.next

    if partner and wants_csv(visit):
        return list_csv(
            visit, "seen-by", SEEN_CSV, page, lambda r: _seen_line(r, release.currency),
        )  # fmt: skip
    rows, following = await page(visit.session, visit.asked("after") or None, PER_PAGE) if partner else ((), None)
    return visit.show(
        "releases/seen_by.html", release=release, rows=rows, view=TableView.of(visit.request, SEEN_COLUMNS).with_next(following),
        partner=partner, partners=partners, crumbs=crumbs(release), money=lambda amount: Money(amount, release.currency), why=WHY,
        conditions=CONDITION_WORDS,
    )  # fmt: skip


def _seen_line(row: queries.PreviewRow, currency: str) -> list[object]:
    told = row.admission
    return [
        row.part_number, row.description, row.place, CONDITION_WORDS[row.condition], row.available, row.uom,
        amount_cell(row.posted_price, currency), amount_cell(row.unit_price, currency), currency, "yes" if told.seen else "no", WHY[told.why],
        told.opens_at.isoformat(timespec="seconds") if told.why == "later" and told.opens_at else "",
    ]  # fmt: skip


@router.post("/releases/{release_id}/audience")
async def set_audience(request: Request, sent: SentForm, release_id: UUID, now: Now) -> Response:
    """Says who sees it from when on."""

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        home = await parties.home_site(session, actor)
        zone = ZoneInfo(home.timezone if home else "UTC")
        windows = [w for n in range(1, WINDOWS + 1) if (w := _window(fields, sent.form(), n, zone))]
        fields.check("audience.invalid", "Nothing was changed.")
        await service.set_audience(session, actor, release_id, windows)

    async def again(visit: Visit, form: Form) -> Response:
        return await _audience(visit, release_id, form)

    to = f"/releases/{release_id}/audience?done=audience"
    return await submit(request, sent, "release.write", act, now=now, to=to, again=again)


def _window(fields: Fields, form: Form, n: int, zone: ZoneInfo) -> Window | None:
    groups = tuple(i for text in fields.many(f"groups{n}") if (i := uuid_of(text)))
    named = tuple(i for text in fields.many(f"partners{n}") if (i := uuid_of(text)))
    everyone, text, at = fields.yes(f"everyone{n}"), form.value(f"at{n}").strip(), None
    if not (groups or named or everyone):
        if text:
            fields.wrong(f"at{n}", "Choose who sees it from then on, or leave the time empty.")
        return None
    if text:
        try:
            at = datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)
        except (ValueError, OverflowError):
            fields.wrong(f"at{n}", f"'{text[:20]}' is no time. Write it like 2031-01-15T08:00.")
        else:
            if not 2000 <= at.year < 2200:
                fields.wrong(f"at{n}", "Choose a year from 2000 to 2199.")
    return Window(at, everyone, groups, named)
