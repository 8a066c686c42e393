"""What of one's stock could be released: found by rules, taken into a draft; and parts that never are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from marketplace.agreements.combinations import starting_points
from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.errors import invalid
from marketplace.kit.money import Money, amount_cell
from marketplace.kit.pages import cut, read_bookmark
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.listings import queries, service
from marketplace.listings.endpoints.rules import amount_of
from marketplace.listings.schemas.rules import RulesIn
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.parts import queries as parts
from marketplace.parts.numbers import parse_list
from web.exports import list_csv, wants_csv
from web.forms import Form
from web.pages.releases import published_of
from web.session import SentForm, Visit, submit, uuid_of, visits
from web.tables import Column, TableView

router = APIRouter(include_in_schema=False)
Finds = Annotated[Visit, visits("release.read")]

PER_PAGE: Final = 50
COLUMNS: Final = (
    Column("pick", "Take"),
    Column("part", "Part"),
    Column("where", "Where"),
    Column("left", "Free", "end"),
    Column("price", "List price", "end"),
    Column("value", "Value", "end"),
    Column("idle", "Last issue"),
    Column("months", "Lasts", "end"),
)
CSV_HEADER: Final = (
    "Part number", "Description", "Class", "Site", "Condition", "Free", "Unit", "List price", "Unit cost", "Value", "Currency", "Last issue",
    "Used in 12 months", "Lasts months",
)  # fmt: skip
RULES: Final = (
    "idle_months",
    "older_months",
    "least_value",
    "least_months",
    "class_code",
    "site_id",
    "condition",
    "number",
)
READY: Final = (
    ("Asleep", "No issue for 3 years", {"idle_months": "36"}),
    ("Far too much", "Lasts 10 years and is worth 1,000", {"least_months": "120", "least_value": "1000"}),
    ("Money on the shelf", "Worth 10,000 and no issue for a year", {"idle_months": "12", "least_value": "10000"}),
)  # fmt: skip
DONE: Final = {
    "protected": "Protected: never released from now on.",
    "freed": "It may be released again.",
    "limit": "The limit is stated.",
}


def _rules(given: Mapping[str, str]) -> tuple[RulesIn, dict[str, str]]:
    """The rules of an address or a form, and what is wrong with them by field; what is wrong is left out."""
    asked = {name: given[name].strip() for name in RULES if given.get(name, "").strip()}
    wrong: dict[str, str] = {}
    for _ in range(len(RULES) + 1):
        try:
            return RulesIn.model_validate(asked), wrong
        except ValidationError as error:
            for one in error.errors():
                name = str(one["loc"][0]) if one["loc"] else "number"
                wrong[name] = f"'{asked.pop(name, '')[:40]}' does not fit here: it was left out."
    return RulesIn(), wrong


@router.get("/candidates")
async def candidates(visit: Finds) -> Response:
    """The rules, what they describe in all, and the lines with the most money first."""
    return await _page(visit, {name: visit.asked(name) for name in RULES}, Form())


async def _page(visit: Visit, given: Mapping[str, str], form: Form) -> Response:
    asked, wrong = _rules(given)
    rules, company = asked.rules(visit.today, visit.now), visit.actor.company_id

    async def page(
        session: ReadSession, mark: str | None, rows: int
    ) -> tuple[Sequence[queries.CandidateRow], str | None]:
        key = read_bookmark(mark, visit.secret, amount_of, UUID, UUID, str)
        after = (key[0], key[1], key[2], key[3]) if key else None
        found = await queries.candidates(session, company, rules, after=after, limit=rows + 1)
        some = cut(found, rows, lambda r: [str(r.value), r.part_id, r.site_id, r.condition], visit.secret)
        return some.items, some.next

    if wants_csv(visit):
        if wrong:
            raise invalid("filter.unknown", f"{'; '.join(wrong.values())} No file was made.")
        return list_csv(visit, "candidates", CSV_HEADER, page, _cells(visit.actor.currency))
    rows, following = await page(visit.session, visit.asked("after") or None, PER_PAGE)
    totals = await queries.candidate_totals(visit.session, company, rules)
    starts = starting_points(published_of(await queries.clause_versions(visit.session)))
    drafts = await queries.releases(visit.session, company, status="draft", limit=50)
    currency = visit.actor.currency
    kept = {name: given.get(name, "").strip() for name in RULES if given.get(name, "").strip()}
    return visit.show(
        "releases/candidates.html",
        rows=rows, view=TableView.of(visit.request, COLUMNS).with_next(following), totals=totals, kept=kept, wrong=wrong, form=form,
        value=Money(totals.value, currency).rounded(), money=lambda amount: None if amount is None else Money(amount, currency),
        sites=[(str(s.id), s.name) for s in await parties.sites(visit.session, visit.actor)],
        conditions=list(CONDITION_WORDS.items()), may_write=visit.actor.may("release.write"),
        into=[("", "A new posting"), *((str(d.id), f"{d.reference}: {d.title}") for d in drafts)],
        presets=[(s.name, s.title) for s in starts.values()], ready=[(w, hint, f"/candidates?{urlencode(r)}") for w, hint, r in READY],
        most=queries.MOST_OFFERED,
    )  # fmt: skip


def _cells(currency: str) -> Any:
    def cells(r: queries.CandidateRow) -> list[object]:
        return [
            r.part_number, r.description, r.class_code or "", r.site, r.condition, r.left, r.uom,
            "" if r.list_price is None else amount_cell(r.list_price, currency), "" if r.unit_cost is None else amount_cell(r.unit_cost, currency),
            amount_cell(r.value, currency), currency, r.last_issue_on or "", "" if r.usage_12 is None else r.usage_12,
            "" if r.months is None else f"{r.months:.1f}",
        ]  # fmt: skip

    return cells


@router.post("/candidates")
async def take(request: Request, sent: SentForm, now: Now) -> Response:
    """Takes what was chosen, or all that the rules describe, into a draft; on to its lines."""
    form = sent.form()
    given = {name: form.value(name) for name in RULES}

    async def act(session: WriteSession, actor: Actor) -> UUID:
        asked, wrong = _rules(given)
        if wrong:
            raise invalid("candidate.rules", f"{'; '.join(wrong.values())} Nothing was added.")
        fields = sent.fields()
        percent = fields.amount("percent", "Percent of the list price")
        release = uuid_of(form.value("into"))
        if release is None:
            starts = starting_points(published_of(await queries.clause_versions(session)))
            start = starts.get(fields.one_of("preset", "how you keep access", starts))
            fields.check()
            assert start is not None  # noqa: S101 - check() has raised otherwise
            release = await service.draft(
                session, actor, title=form.value("title").strip() or f"Slow stock, {now:%d %b %Y}", clause=start.first.clause,
                version=start.first.version, terms=start.first.terms, use_class="non_capital_spare", further=start.further,
            )  # fmt: skip
        fields.check()
        keys = None if form.value("what") == "all" else list(fields.many("pick"))
        await service.offer_candidates(session, actor, release, asked.rules(now.date(), now), keys, percent=percent)
        return release

    async def again(visit: Visit, rejected: Form) -> Response:
        return await _page(visit, given, rejected)

    return await submit(
        request, sent, "release.write", act, now=now, to=lambda made: f"/releases/{made}/lines", again=again
    )


# -- parts that never are --------------------------------------------------------------------------------


@router.get("/protected-parts")
async def protected(visit: Finds) -> Response:
    """Parts that the company never releases, as they were stated."""
    return await _protected(visit, Form())


async def _protected(visit: Visit, form: Form) -> Response:
    key = read_bookmark(visit.asked("after") or None, visit.secret, UUID)
    found = await queries.protections(
        visit.session, visit.actor.company_id, after=key[0] if key else None, limit=PER_PAGE + 1
    )
    some = cut(found, PER_PAGE, lambda r: [r.id], visit.secret)
    view = TableView.of(
        visit.request,
        (
            Column("part", "Part"),
            Column("why", "Why"),
            Column("since", "Since"),
            Column("act", "Actions", "end", hidden_label=True),
        ),
    )
    return visit.show(
        "releases/protected.html", rows=some.items, view=view.with_next(some.next), form=form,
        may_write=visit.actor.may("release.write"), done=DONE.get(visit.asked("done")), may_limit=visit.actor.may("company.manage"),
        limit=await queries.release_limit(visit.session, visit.actor.company_id), money=lambda a: Money(a, visit.actor.currency),
    )  # fmt: skip


@router.post("/protected-parts")
async def protect(request: Request, sent: SentForm, now: Now) -> Response:
    """Protects the parts of a pasted list; all or none."""

    async def act(session: WriteSession, actor: Actor) -> int:
        fields = sent.fields()
        text, reason = fields.text("numbers", "Part numbers", most=60_000), fields.text("reason", "Why", most=300)
        fields.check()
        asked = parse_list(text, field="numbers")
        found = await parts.find_exactly(session, asked)
        missing = [n.written for n in asked if not found.get(n.norm)]
        if missing:
            fields.wrong("numbers", f"Not known: {', '.join(missing[:5])}. Write each as it stands in the catalogue.")
            fields.check("protection.numbers", "Nothing was protected.")
        ids = [part for n in asked for part in found[n.norm]]
        return await service.protect(session, actor, ids, reason, now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _protected(visit, form)

    return await submit(request, sent, "release.write", act, now=now, to="/protected-parts?done=protected", again=again)


@router.post("/protected-parts/{protection_id}/end")
async def end(request: Request, protection_id: UUID, sent: SentForm, now: Now) -> Response:
    """Lets it be released again."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.end_protection(session, actor, protection_id, now)

    return await submit(request, sent, "release.write", act, now=now, to="/protected-parts?done=freed")


@router.post("/release-limit")
async def limit(request: Request, sent: SentForm, now: Now) -> Response:
    """Above which value another person approves a posting; empty: none is asked."""

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        amount: Decimal | None = (
            fields.amount("amount", "Limit") if fields.text("amount", "Limit", required=False) else None
        )
        fields.check()
        await service.state_limit(session, actor, amount, now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _protected(visit, form)

    return await submit(request, sent, "company.manage", act, now=now, to="/protected-parts?done=limit", again=again)
