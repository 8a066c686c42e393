"""The release editor's first step: clause, terms, use and audience, with what they mean shown as they are typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from marketplace.agreements import queries as agreements
from marketplace.agreements.books import Books, NamedLine, Sold, book_line
from marketplace.agreements.presets import PRESETS
from marketplace.agreements.terms import Terms, parse_terms
from marketplace.db.session import WriteSession
from marketplace.kit.errors import DomainError
from marketplace.kit.money import Money
from marketplace.listings import queries, service, wording
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from web.book_words import MOST_TRACED, shown
from web.clauses import clause_html
from web.forms import Fields, Form, Value
from web.found import offered
from web.pages.releases import USES, crumbs, own, steps
from web.session import Sent, SentForm, Visit, submit, uuid_of, visits
from web.terms_form import PRICE_KINDS, SHAPES, from_form, groups, labels, named_for_form, to_form

router = APIRouter(prefix="/releases", include_in_schema=False)
EditsReleases = Annotated[Visit, visits("release.write")]
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
    preset = PRESETS.get(visit.asked("preset"))
    clause, version = (preset.clause, preset.version) if preset else (release.clause, release.version)
    values: dict[str, Value] = {
        "title": release.title,
        "use_class": release.use_class,
        "audience": release.audience,
        "audience_ids": tuple(str(i) for i in release.audience_ids),
        "clause": clause,
        "version": str(version),
        "preset": preset.name if preset else "",
        **to_form(clause, version, preset.values if preset else release.terms),
    }
    return await _page(visit, release, Form(values))


async def _page(visit: Visit, release: queries.ReleaseRow, form: Form, status_code: int = 200) -> Response:
    clause, version = _clause_of(form)
    lines = await queries.lines(visit.session, release.id, limit=MOST_TRACED + 1)
    published = await agreements.clause_version(visit.session, clause, version)
    partners = await parties.companies(visit.session, partners_only=True, limit=MOST_CHOICES + 1)
    return visit.show(
        "releases/terms.html",
        status_code=status_code,
        release=release,
        steps=steps(release),
        crumbs=crumbs(release),
        form=form,
        uses=USES,
        groups=groups(clause, version),
        labels=labels(clause, version) | {"audience_ids": "Partners", "use_class": "Bought for"},
        price_kinds=PRICE_KINDS,
        shapes=SHAPES,
        presets=[(preset.name, preset.title) for preset in PRESETS.values()],
        partners=[(str(c.id), c.name) for c in partners[:MOST_CHOICES] if c.id != visit.actor.company_id],
        more_partners=MOST_CHOICES if len(partners) > MOST_CHOICES else 0,
        clause_title=published.title,
        version=version,
        **await preview(visit, form, lines),
        whole=_whole_text(published.wording, form),
    )


def _clause_of(form: Form) -> tuple[str, int]:
    """The clause a form is about; one that cannot be is the first preset's."""
    first = next(iter(PRESETS.values()))
    clause, version = form.value("clause", first.clause), form.value("version", str(first.version))
    known = {(preset.clause, preset.version) for preset in PRESETS.values()}
    if version.isdecimal() and (clause, int(version)) in known:
        return clause, int(version)
    return first.clause, first.version


def read_terms(fields: Fields, clause: str, version: int, use_class: str) -> Terms:
    """The typed terms of a form. Raises ``form.invalid`` or ``terms.invalid`` by the names of the form's fields."""
    raw = from_form(fields, clause, version)
    fields.check("terms.invalid")
    try:
        return parse_terms(clause, version, {**raw, "use_class": use_class})
    except DomainError as error:
        raise named_for_form(error) from None


async def preview(visit: Visit, form: Form, lines: Sequence[queries.ListingRow]) -> Mapping[str, Any]:
    """What the terms in a form mean, told by the first line or an example: sentences, what the law says, how the units are
    booked; or what does not fit."""
    clause, version = _clause_of(form)
    line = lines[0] if lines else None
    try:
        found = read_terms(Fields(form.values), clause, version, form.value("use_class") or USES[0][0])
    except DomainError as error:
        return {
            "words": None,
            "unfit": [wrong.message for wrong in error.fields] or [error.message],
            "line": line,
            "price": None,
            **shown(None, ()),
        }
    currency = visit.actor.currency
    example = offered(line, line.quantity) if line else _example(found, currency)
    price = Money(line.unit_price, line.currency) if line else None
    named = [partner for text in form.chosen("audience_ids") if (partner := uuid_of(text))]
    law = await queries.law_of_terms(
        visit.session, visit.actor.company_id, found,
        named if form.value("audience") == "named" and named else None, visit.today,
    )  # fmt: skip
    if lines:
        kept = _as_typed(found, lines[:MOST_TRACED])
        books = await queries.books_of_lines(visit.session, visit.actor.company_id, found, kept, visit.today)
    else:
        rate = await parties.discount_rate(visit.session, visit.actor.company_id)
        sold = Sold(example.quantity, Money(example.unit_price, currency), example.minimum_to_keep)
        books = Books(rate, (NamedLine(NO_PART, "", "", book_line(found, sold, visit.today, rate)),))
    return {
        "words": wording.clause(found, example, visit.today, visit.zone), "unfit": [], "line": line, "price": price,
        **shown(books, law),
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


def _whole_text(wording_text: str, form: Form) -> Any:
    clause, version = _clause_of(form)
    try:
        found = read_terms(Fields(form.values), clause, version, form.value("use_class") or USES[0][0])
    except DomainError:
        return None
    return clause_html(wording_text, found)


@router.post("/preview")
async def preview_fragment(visit: EditsReleases, sent: SentForm) -> Response:
    """The preview alone, for the page to put beside the form while somebody types."""
    form = sent.form()
    release_id = uuid_of(form.value("release_id"))
    lines = await queries.lines(visit.session, release_id, limit=MOST_TRACED + 1) if release_id else []
    return visit.show("releases/preview.html", **await preview(visit, form, lines))


@router.post("/{release_id}/terms")
async def save(request: Request, release_id: UUID, sent: SentForm, now: Now) -> Response:
    """Saves the terms and goes on to the units; the button *Preview* saves nothing."""

    async def again(visit: Visit, form: Form) -> Response:
        return await _page(visit, await own(visit, release_id), form)

    async def look(visit: Visit, form: Form, _outcome: object) -> Response:
        return await again(visit, sent.form())

    async def nothing(session: WriteSession, actor: Actor) -> None:
        """A preview carries nothing out."""

    if sent.form().value("preview"):
        unsaved = Sent({k: v for k, v in sent.values.items() if k != "preview"}, None, confirmed=False)
        return await submit(request, unsaved, "release.write", nothing, now=now, to="", again=again, confirm=look)

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        title = fields.text("title", "Title", most=120)
        use = fields.one_of("use_class", "what partners buy them for", [value for value, _, _ in USES])
        audience = fields.one_of("audience", "who sees it", ("all", "named"))
        named = [partner for text in fields.many("audience_ids") if (partner := uuid_of(text))]
        if audience == "named" and not named:
            fields.wrong("audience_ids", "Name at least one partner.")
        clause, version = _clause_of(sent.form())
        found = read_terms(fields, clause, version, use)
        await service.edit(
            session,
            actor,
            release_id,
            title=title,
            clause=clause,
            version=version,
            terms=found.model_dump(mode="json"),
            use_class=use,
            audience=audience,
            audience_ids=named if audience == "named" else (),
        )

    return await submit(request, sent, "release.write", act, now=now, to=f"/releases/{release_id}/lines", again=again)
