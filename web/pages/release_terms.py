"""The release editor's first step: clause, terms, use and audience, with what they mean shown as they are typed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from marketplace.agreements.books import Books, NamedLine, Sold, book_line
from marketplace.agreements.combinations import starting_points
from marketplace.agreements.combined import flags
from marketplace.agreements.terms import Terms, dump_terms
from marketplace.db.session import WriteSession
from marketplace.kit.errors import DomainError
from marketplace.kit.money import Money
from marketplace.listings import queries, service, wording
from marketplace.listings.service import MOST_PAYMENT_DAYS, PAYMENT_DAYS
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from web.book_words import MOST_TRACED, shown
from web.clause_forms import FIRST_REFUSAL_CLAUSE, ClausesForm, first_refusal_beside, named_clauses, with_offers
from web.clauses import released_text
from web.forms import Fields, Form, Value
from web.found import offered
from web.pages.releases import USES, crumbs, own, published_of, steps
from web.session import Sent, SentForm, Visit, submit, uuid_of, visits

router = APIRouter(prefix="/releases", include_in_schema=False)
EditsReleases = Annotated[Visit, visits("release.write")]
PAY_LABEL = "Days to pay, from receipt"
MOST_CHOICES = 1_000
"""Partners to tick."""
NO_PART = UUID(int=0)
"""Of the example that is told while a posting has no lines."""
EXAMPLE_PRICE, EXAMPLE_QUANTITY = Decimal(100), 10


@router.get("/{release_id}/terms")
async def terms(visit: EditsReleases, release_id: UUID) -> Response:
    """The terms as they are; ``?preset=`` fills in a preset's, to be saved or not."""
    release = await own(visit, release_id)
    if release.status != "draft":
        return RedirectResponse(f"/releases/{release_id}", 303)
    start = starting_points(await _published(visit)).get(visit.asked("preset"))
    named = start.clauses if start else clauses_of(release)
    values: dict[str, Value] = {
        "title": release.title,
        "use_class": release.use_class,
        "payment_days": str(release.payment_days),
        "audience": release.audience,
        "audience_ids": tuple(str(i) for i in release.audience_ids),
        "preset": start.name if start else "",
        **ClausesForm.of([(c, v) for c, v, _ in named]).values([terms for _, _, terms in named]),
    }
    return await _page(visit, release, Form(values))


def clauses_of(release: queries.ReleaseRow) -> Sequence[tuple[str, int, Mapping[str, Any]]]:
    """(clause, version, terms in JSON types) of each clause of a posting, the first one first."""
    beside = [(c["clause"], c["version"], c["terms"]) for c in release.further]
    return [(release.clause, release.version, release.terms), *beside]


async def _published(visit: Visit) -> set[tuple[str, int]]:
    return published_of(await queries.clause_versions(visit.session))


async def _page(visit: Visit, release: queries.ReleaseRow, form: Form, status_code: int = 200) -> Response:
    clauses = _clauses(form)
    lines = await queries.lines(visit.session, release.id, limit=MOST_TRACED + 1)
    published = await _published(visit)
    partners = await parties.companies(visit.session, partners_only=True, limit=MOST_CHOICES + 1)
    return visit.show(
        "releases/terms.html",
        status_code=status_code,
        release=release,
        steps=steps(release),
        crumbs=crumbs(release),
        form=form,
        uses=USES,
        clauses=clauses,
        labels=clauses.labels
        | {"audience_ids": "Partners", "use_class": "Bought for", "further": "Clauses", "payment_days": PAY_LABEL},
        can_add=clauses.can_add and FIRST_REFUSAL_CLAUSE in published,
        presets=[(start.name, start.title) for start in starting_points(published).values()],
        partners=[(str(c.id), c.name) for c in partners[:MOST_CHOICES] if c.id != visit.actor.company_id],
        more_partners=MOST_CHOICES if len(partners) > MOST_CHOICES else 0,
        unreleased=[c.name for c in clauses.clauses if (c.clause, c.version) not in published],
        **await preview(visit, form, lines),
        **await _whole(visit, form, published),
    )


OTHERWISE = ("buy-back", 1)
"""The clause of a form that names none."""


def _clauses(form: Form) -> ClausesForm:
    return ClausesForm.sent(form, OTHERWISE)


async def preview(visit: Visit, form: Form, lines: Sequence[queries.ListingRow]) -> Mapping[str, Any]:
    """What the terms in a form mean, told by the first line or an example: sentences, what the law says, how the units are
    booked; or what does not fit."""
    line = lines[0] if lines else None
    try:
        clauses = _clauses(form).read(Fields(form.values), form.value("use_class") or USES[0][0])
    except DomainError as error:
        return {
            "words": None,
            "unfit": [wrong.message for wrong in error.fields] or [error.message],
            "line": line,
            "price": None,
            **shown(None, ()),
            "flags": [],
        }
    found, further = clauses[0], clauses[1:]
    currency = visit.actor.currency
    example = offered(line, line.quantity) if line else _example(found, currency)
    price = Money(line.unit_price, line.currency) if line else None
    named = [partner for text in form.chosen("audience_ids") if (partner := uuid_of(text))]
    law = await queries.law_of_terms(
        visit.session, visit.actor.company_id, clauses,
        named if form.value("audience") == "named" and named else None, visit.today,
    )  # fmt: skip
    if lines:
        kept = _as_typed(found, lines[:MOST_TRACED])
        books = await queries.books_of_lines(visit.session, visit.actor.company_id, clauses, kept, visit.today)
    else:
        known = await parties.assumptions(visit.session, visit.actor.company_id)
        sold = Sold(example.quantity, Money(example.unit_price, currency), example.minimum_to_keep)
        reckoned = book_line(found, sold, visit.today, known.rate_bp, further, market_bp=known.market_bp)
        books = Books(known.rate_bp, (NamedLine(NO_PART, "", "", reckoned),))
    return {
        "words": wording.clauses(clauses, example, visit.today, visit.zone), "unfit": [], "line": line, "price": price,
        **shown(books, law), "flags": [flag.words for flag in flags(clauses)],
        "first_lines": MOST_TRACED if len(lines) > MOST_TRACED else 0,
    }  # fmt: skip


def _as_typed(terms: Terms, lines: Sequence[queries.ListingRow]) -> list[queries.ListingRow]:
    """The lines as they will be once these terms are saved: a minimum to keep that was the terms' follows them."""

    def keep(line: queries.ListingRow) -> int:
        follows = line.minimum_to_keep == min(line.quantity, line.terms["minimum_to_keep"])
        return min(line.quantity, terms.minimum_to_keep) if follows else line.minimum_to_keep

    return [replace(line, minimum_to_keep=keep(line)) for line in lines]


def _example(terms: Terms, currency: str) -> wording.Offered:
    quantity = max(EXAMPLE_QUANTITY, terms.minimum_to_keep)
    return wording.Offered(quantity, quantity, EXAMPLE_PRICE, currency, None, min(terms.minimum_to_keep, quantity))


async def _whole(visit: Visit, form: Form, published: Collection[tuple[str, int]]) -> dict[str, Any]:
    """The clauses' title, and their text with the terms of the form, as far as it can be had."""
    clauses = _clauses(form)
    title = " and ".join(clause.name for clause in clauses.clauses)
    try:
        found = clauses.read(Fields(form.values), form.value("use_class") or USES[0][0])
    except DomainError:
        return {"clause_title": title, "whole": None}
    if any((terms.clause, terms.version) not in published for terms in found):
        return {"clause_title": title, "whole": None}
    title, text = await released_text(visit.session, found)
    return {"clause_title": title, "whole": text}


@router.post("/preview")
async def preview_fragment(visit: EditsReleases, sent: SentForm) -> Response:
    """The preview alone, for the page to put beside the form while somebody types."""
    form = sent.form()
    release_id = uuid_of(form.value("release_id"))
    lines = await queries.lines(visit.session, release_id, limit=MOST_TRACED + 1) if release_id else []
    return visit.show("releases/preview.html", **await preview(visit, form, lines))


LOOKS = ("preview", "add_first_refusal", "leave_out")
"""The buttons of the form that save nothing."""


def _looked_at(form: Form) -> dict[str, Value]:
    """What the page shows after such a button: what was typed, with one clause more or fewer."""
    values: dict[str, Value] = {name: value for name, value in form.values.items() if name not in LOOKS}
    if form.value("leave_out"):
        values["further"] = ()
    if form.value("add_first_refusal"):
        before = _clauses(form)
        with_it = ClausesForm.of([(before.first.clause, before.first.version), FIRST_REFUSAL_CLAUSE])
        raw = with_offers(before.first.read(Fields(form.values)))
        values["t_resale"] = str(raw["resale"])
        values |= with_it.clauses[1].values(first_refusal_beside(raw)) | with_it.hidden
    return values


@router.post("/{release_id}/terms")
async def save(request: Request, release_id: UUID, sent: SentForm, now: Now) -> Response:
    """Saves the terms and goes on to the units; the button *Preview* saves nothing, nor do those that put a first refusal
    beside the clause or leave it out."""

    async def again(visit: Visit, form: Form) -> Response:
        return await _page(visit, await own(visit, release_id), form)

    async def look(visit: Visit, form: Form, _outcome: object) -> Response:
        return await again(visit, unsaved.form())

    async def nothing(session: WriteSession, actor: Actor) -> None:
        """A preview carries nothing out."""

    if any(sent.form().value(button) for button in LOOKS):
        unsaved = Sent(_looked_at(sent.form()), None, confirmed=False)
        return await submit(request, unsaved, "release.write", nothing, now=now, to="", again=again, confirm=look)

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        title = fields.text("title", "Title", most=120)
        use = fields.one_of("use_class", "what partners buy them for", [value for value, _, _ in USES])
        days = fields.whole("payment_days", PAY_LABEL, high=MOST_PAYMENT_DAYS, empty=PAYMENT_DAYS)
        audience = fields.one_of("audience", "who sees it", ("all", "named"))
        named = [partner for text in fields.many("audience_ids") if (partner := uuid_of(text))]
        if audience == "named" and not named:
            fields.wrong("audience_ids", "Name at least one partner.")
        found = _clauses(sent.form()).read(fields, use)
        await service.edit(
            session,
            actor,
            release_id,
            title=title,
            clause=found[0].clause,
            version=found[0].version,
            terms=dump_terms(found[0]),
            further=named_clauses(found[1:]),
            use_class=use,
            payment_days=days,
            audience=audience,
            audience_ids=named if audience == "named" else (),
        )

    return await submit(request, sent, "release.write", act, now=now, to=f"/releases/{release_id}/lines", again=again)
