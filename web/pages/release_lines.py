"""The release editor's second step: which units, how many, at what price, and the minimum to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from marketplace.agreements.terms import parse_terms
from marketplace.db.session import WriteSession
from marketplace.kit.errors import DomainError, FieldError, missing
from marketplace.kit.money import Money
from marketplace.kit.pages import cut, read_bookmark
from marketplace.listings import queries, service
from marketplace.listings.formulas import BASES, STEPS, Formula
from marketplace.listings.service import NewLine
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.parts.numbers import normalise
from web.forms import Fields, Form, Value
from web.pages.releases import crumbs, own, steps
from web.released_stock import lines_from_stock, stock_key
from web.session import SentForm, Visit, looking, submit, uuid_of, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/releases", include_in_schema=False)
EditsReleases = Annotated[Visit, visits("release.write")]
STOCK_SHOWN: Final = 25
DEFAULT_PERCENT: Final = 60
STOCK_COLUMNS: Final = (
    Column("pick", "Choose"),
    Column("part", "Part"),
    Column("site", "Site"),
    Column("condition", "Condition"),
    Column("left", "Free to offer", "end"),
    Column("list", "List price", "end"),
    Column("issue", "Last issue"),
)


# -- the page --------------------------------------------------------------------------------------------


@router.get("/{release_id}/lines")
async def lines(visit: EditsReleases, release_id: UUID) -> Response:
    """The lines, and own stock to add from: ``?search=``, ``?site=``."""
    return await _page(visit, release_id, None)


async def _page(visit: Visit, release_id: UUID, form: Form | None) -> Response:
    release = await own(visit, release_id)
    if release.status != "draft":
        return RedirectResponse(f"/releases/{release_id}", 303)
    rows = await queries.lines(visit.session, release_id)
    view = _stock_view(visit, form)
    search = view.filter_value("search").strip()
    number = normalise(search)
    has_digit = any(c.isdigit() for c in search)
    wanted = queries.StockFilter(
        site_id=uuid_of(view.filter_value("site")),
        number=number if search and has_digit and len(number) >= 2 else None,
        words=search or None,
    )
    key = read_bookmark(view.after, visit.secret, *queries.RELEASABLE_KINDS)
    stock = await queries.releasable(visit.session, visit.actor.company_id, wanted, after=key, limit=STOCK_SHOWN + 1)
    some = cut(stock, STOCK_SHOWN, lambda row: row.key, visit.secret)
    currency = release.currency
    return visit.show(
        "releases/lines.html",
        release=release,
        steps=steps(release),
        crumbs=crumbs(release),
        lines=rows,
        form=form or Form(_values(rows)),
        view=view.with_next(some.next),
        stock=some.items,
        stock_key=stock_key,
        labels={f"{n}_{i}": f"{x.part_number}, {words}" for i, x in enumerate(rows) for n, words in _COLUMNS.items()},
        taken={(x.part_id, x.site_id, x.condition) for x in rows},
        sites=[(str(s.id), s.name) for s in await parties.sites(visit.session, visit.actor)],
        percent=str(DEFAULT_PERCENT),
        bases=list(BASES.items()),
        price_steps=list(STEPS),
        chosen_elsewhere=sorted(set(form.chosen("add")) - {stock_key(row) for row in some.items}) if form else [],
        list_price=lambda row: Money(row.list_price, currency) if row.list_price is not None else None,
        value=Money(release.value, currency).rounded(),
    )


def _stock_view(visit: Visit, form: Form | None) -> TableView:
    """Which of the stock is shown: as the address says, or as the form that was sent says."""
    view = TableView.of(visit.request, STOCK_COLUMNS)
    if form is None:
        visit.id("site")
        return view
    then = form.value("then")
    after = form.value("shown_after") if then not in {"", "filter", "all"} or not _looks(form) else ""
    if then.startswith("after:"):
        after = then.removeprefix("after:")
    return replace(view, query=_filter(form), after=after or None)


def _filter(form: Form) -> tuple[tuple[str, str], ...]:
    if form.value("then") == "all":
        return ()
    return tuple((name, form.value(name).strip()) for name in ("search", "site") if form.value(name).strip())


def _back_to(release_id: UUID, form: Form) -> str:
    """The editor, with the stock filtered as it was."""
    kept = _filter(form)
    return f"/releases/{release_id}/lines" + (f"?{urlencode(kept)}" if kept else "")


def _looks(form: Form) -> bool:
    """Whether only other stock is to be shown: the filter's button, a page of it, or Enter in a changed filter."""
    then = form.value("then")
    changed = any(form.value(name).strip() != form.value(f"shown_{name}") for name in ("search", "site"))
    return (
        then in {"filter", "all"}
        or then.startswith("after:")
        or (not then and "shown_search" in form.values and changed)
    )


def _plain(amount: Decimal) -> str:
    """An amount to edit: two decimals, or the four that small parts need."""
    return f"{amount:.2f}" if amount == amount.quantize(Decimal("0.01")) else f"{amount.normalize():f}"


_COLUMNS: Final = {
    "quantity": "quantity",
    "price": "price",
    "minimum": "smallest order",
    "package": "package",
    "keep": "minimum to keep",
}


def _values(rows: Sequence[queries.ListingRow]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for index, row in enumerate(rows):
        values[f"quantity_{index}"] = str(row.quantity)
        values[f"price_{index}"] = _plain(row.unit_price)
        values[f"minimum_{index}"] = str(row.minimum_quantity)
        values[f"package_{index}"] = str(row.package_quantity)
        values[f"keep_{index}"] = str(row.minimum_to_keep)
    return values


@router.post("/{release_id}/lines")
async def save(request: Request, release_id: UUID, sent: SentForm, now: Now) -> Response:
    """Saves all lines at once, and goes on to publishing where the button says so; or only shows other stock to add,
    with everything that was typed still there."""
    typed = sent.form()
    if _looks(typed):

        async def show(visit: Visit) -> Response:
            visit.actor.require("release.write")
            return await _page(visit, release_id, typed)

        return await looking(request, now, show)
    go_on = typed.value("then") == "publish"

    async def act(session: WriteSession, actor: Actor) -> int:
        done = await _set_lines(session, actor, release_id, sent.fields())
        if typed.value("then") == "formula":
            await service.change_by_formula(session, actor, release_id, _formula(sent.fields()))
        return done

    async def again(visit: Visit, form: Form) -> Response:
        return await _page(visit, release_id, form)

    to = f"/releases/{release_id}/publish" if go_on else _back_to(release_id, typed)
    return await submit(request, sent, "release.write", act, now=now, to=to, again=again)


def _formula(fields: Fields) -> Formula:
    """The rule in the form, whatever is empty left as it is. Raises ``formula.empty``, ``form.invalid``."""

    def share(name: str, label: str) -> Decimal | None:
        return fields.amount(name, label) if fields.text(name, label, required=False) else None

    base = fields.one_of("f_base", "of what the price is a percentage", BASES)
    step = fields.one_of("f_step", "what it is rounded to", STEPS)
    found = Formula(
        share("f_percent", "Price"), base or "list", STEPS.get(step, STEPS["0.01"]), share("f_share", "Quantity"), share("f_keep", "Min-keep")  # type: ignore[arg-type]  # one of BASES
    )  # fmt: skip
    fields.check("formula.invalid", "The rule does not fit.")
    return found


async def _set_lines(session: WriteSession, actor: Actor, release_id: UUID, fields: Fields) -> int:
    """The lines as they stand in the form."""
    kept: list[int] = []
    wanted: list[NewLine] = []
    for index, key in enumerate(fields.many("line")):
        if fields.yes(f"remove_{index}"):
            continue
        kept.append(index)
        wanted.append(_line(fields, index, key))
    fields.check("release.lines", "Some lines do not fit.")
    try:
        await service.set_lines(session, actor, release_id, wanted)
    except DomainError as error:
        raise _named(error, kept) from None
    return len(wanted)


def _line(fields: Fields, index: int, key: str) -> NewLine:
    part, _, rest = key.partition("|")
    site, _, condition = rest.partition("|")
    part_id, site_id = uuid_of(part), uuid_of(site)
    if part_id is None or site_id is None:
        raise missing("release.line", "A line of the form is damaged. Open the page again.")
    return NewLine(
        part_id,
        site_id,
        condition,
        fields.whole(f"quantity_{index}", "Quantity", low=1, high=1_000_000),
        fields.amount(f"price_{index}", "Price"),
        fields.whole(f"minimum_{index}", "Smallest order", low=1, high=1_000_000, empty=1),
        fields.whole(f"package_{index}", "Package", low=1, high=1_000_000, empty=1),
        fields.whole(f"keep_{index}", "Minimum to keep", high=1_000_000, empty=0),
    )


_FORM_NAMES: Final = {
    "quantity": "quantity",
    "unit_price": "price",
    "minimum_quantity": "minimum",
    "package_quantity": "package",
    "minimum_to_keep": "keep",
    "part_id": "quantity",
    "site_id": "quantity",
    "condition": "quantity",
}


def _named(error: DomainError, kept: Sequence[int]) -> DomainError:
    """The service's ``lines.3.quantity`` as the form's ``quantity_4``, since removed lines are not sent on."""
    fields = []
    for wrong in error.fields:
        _, number, name = wrong.field.split(".", 2)
        fields.append(FieldError(f"{_FORM_NAMES[name]}_{kept[int(number)]}", wrong.code, wrong.message))
    return DomainError(error.kind, error.code, error.message, tuple(fields), error.extra)


@router.get("/{release_id}/lines/add")
async def add_again(release_id: UUID) -> Response:
    """A form that was answered here and is loaded anew: back to where it stands."""
    return RedirectResponse(f"/releases/{release_id}/lines", 303)


@router.post("/{release_id}/lines/add")
async def add(request: Request, release_id: UUID, sent: SentForm, now: Now) -> Response:
    """Adds the chosen stock lines with all that is free of them, and saves the lines that were typed in before."""

    async def act(session: WriteSession, actor: Actor) -> int:
        fields = sent.fields()
        percent = fields.whole("percent", "Price", low=0, high=1000)
        chosen = fields.many("add")
        if not chosen:
            fields.wrong("add", "Choose at least one stock line.")
        fields.check()
        if fields.many("line"):
            await _set_lines(session, actor, release_id, fields)
        release = await queries.release(session, release_id)
        terms = parse_terms(release.clause, release.version, release.terms)
        made = await service.add_lines(
            session, actor, release_id, await lines_from_stock(session, actor, chosen, terms, percent)
        )
        return len(made)

    async def again(visit: Visit, form: Form) -> Response:
        before = _values(await queries.lines(visit.session, release_id))
        return await _page(visit, release_id, replace(form, values={**before, **form.values}))

    to = _back_to(release_id, sent.form())
    return await submit(request, sent, "release.write", act, now=now, to=to, again=again)
