"""Scenarios of the advisor: a run with other assumptions or limits, its frontier, runs side by side, and where two of them differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.advising import queries, service
from marketplace.advising.comparing import MOST_COMPARED
from marketplace.advising.queries import Difference, RunRow
from marketplace.advising.reckoning import policy_from
from marketplace.advising.scenarios import MOST_MOVED, Limits
from marketplace.agreements.combinations import COMBINATIONS
from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.errors import invalid
from marketplace.kit.pages import cut, read_bookmark
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from web.charts import curve
from web.exports import list_csv, wants_csv
from web.forms import Fields, Form
from web.pages.advice import PER_PAGE, SHARES, VERB, defaults_of, money_of, policy_of, sure_words
from web.session import SentForm, Visit, submit, uuid_of, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/advice", include_in_schema=False)
Reads = Annotated[Visit, visits("planning.read")]
LEVELS: Final = ("ordinary", "important", "vital")
DIFFERENCE_COLUMNS: Final = (
    Column("part", "Part"), Column("here", "In this scenario"), Column("there", "In the run that it was made from"), Column("cash", "Cash at once", "end"),
    Column("apart", "Between them", "end"), Column("covered", "Covered", "end"),
)  # fmt: skip


@router.get("/compare")
async def compare(visit: Reads) -> Response:
    """Two to four runs side by side."""
    asked = [run for text in visit.request.query_params.getlist("run") if (run := uuid_of(text))]
    wanted = list(dict.fromkeys(asked))[: MOST_COMPARED + 1]
    found = await service.compared(visit.session, visit.actor.company_id, wanted)
    return visit.show(
        "advice/compare.html", found=found, differing=_assumed([r for r, _ in found]), money=money_of, sure=sure_words,
        first=found[0][0],
    )  # fmt: skip


def _assumed(runs: Sequence[RunRow]) -> list[tuple[str, list[str]]]:
    """Assumptions and limits in which these runs differ, each with its words for every run."""
    rows: list[tuple[str, list[str]]] = []

    def row(label: str, words: Sequence[str]) -> None:
        if len(set(words)) > 1:
            rows.append((label, list(words)))

    policies = [policy_from(r.policy) for r in runs]
    row("Years to cover", [f"{p.horizon:g}" for p in policies])
    row("A missing unit costs", [f"{p.value_times:g} times its cost" for p in policies])
    for name, (label, _) in SHARES.items():
        row(label, [f"{getattr(p, name) * 100:g}\u00a0%" for p in policies])
    row("Rights", ["renewed" if p.renewed else "end as the terms say" for p in policies])
    row("Partners' own use", ["learnt" if p.learn else "not looked at" for p in policies])
    row("Terms", [", ".join(c.title for n, c in COMBINATIONS.items() if n in p.presets) for p in policies])
    limits = [Limits.of(r.limits) for r in runs]
    row("Cash at once, at least", [f"{m.cash:,.0f}" if m.cash else "–" for m in limits])
    row("Units kept, at most", ["–" if m.kept is None else f"{m.kept:,.0f}" for m in limits])
    for level, word in enumerate(LEVELS):
        row(
            f"{word.capitalize()} parts covered at least",
            [f"{m.least[level] * 100:g}\u00a0%" if level in m.least else "–" for m in limits],
        )
    row("Point of the frontier", ["–" if m.share is None else f"{m.share:.4g} of 1 towards cash" for m in limits])
    return rows


# -- a new one -----------------------------------------------------------------------------------------------------


@router.get("/{run_id}/scenario")
async def new(visit: Reads, run_id: UUID) -> Response:
    """The assumptions of a run, to be changed, and limits."""
    run = await queries.run(visit.session, visit.actor.company_id, run_id)
    policy = policy_from(run.policy)
    values = {
        "presets": tuple(policy.presets),
        "renewed": "yes" if policy.renewed else "",
        "learn": "yes" if policy.learn else "",
    }
    return await _new(visit, run, Form(values), visit.asked("share"))


async def _new(visit: Visit, run: RunRow, form: Form, share: str) -> Response:
    point = next((p for p in (run.totals or {}).get("frontier", []) if repr(p["share"]) == share), None)
    return visit.show(
        "advice/scenario.html", run=run, form=form, terms=COMBINATIONS, defaults=defaults_of(policy_from(run.policy)), point=point, share=share if point else "",
        money=money_of, sure=sure_words, may=visit.actor.may(VERB),
    )  # fmt: skip


@router.post("/{run_id}/scenario")
async def start(request: Request, run_id: UUID, sent: SentForm, now: Now) -> Response:
    """Has it reckoned."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        fields, form = sent.fields(), sent.form()
        name = fields.text("name", "Name", most=service.MOST_NAME)
        limits = _limits(fields, form)
        policy = policy_of(fields, form)
        return await service.start_run(session, actor, policy, now, name=name, base_id=run_id, limits=limits)

    async def again(visit: Visit, form: Form) -> Response:
        run = await queries.run(visit.session, visit.actor.company_id, run_id)
        return await _new(visit, run, form, form.value("share"))

    return await submit(request, sent, VERB, act, now=now, to=lambda made: f"/advice/{made}", again=again)


def _limits(fields: Fields, form: Form) -> Limits:
    cash = float(fields.amount("cash", "Cash at once, at least", empty=Decimal(0)))
    kept = fields.whole("kept", "Units kept, at most") if form.value("kept").strip() else None
    least = {}
    for level, word in enumerate(LEVELS):
        share = float(fields.amount(word, f"{word.capitalize()} parts covered at least", empty=Decimal(0)))
        if share > 100:
            fields.wrong(word, "At most 100 %.")
        elif share:
            least[level] = share / 100
    share_text = form.value("share")
    try:
        place = float(share_text) if share_text else None
    except ValueError:
        raise invalid("advice.limits", "That is no point of the frontier: choose one on its page.") from None
    return Limits(cash, kept, least, place)


# -- frontier ------------------------------------------------------------------------------------------------------


@router.get("/{run_id}/frontier")
async def frontier(visit: Reads, run_id: UUID) -> Response:
    """Money released against coverage, as a picture and a table."""
    run = await queries.run(visit.session, visit.actor.company_id, run_id)
    totals = service.frontier_of(run)
    points = [
        {**p, "href": f"/advice/{run_id}/scenario?{urlencode({'share': repr(p['share'])})}"} for p in totals["frontier"]
    ]
    here = totals["all"]["cash"], totals["sure"]["after"]
    chosen = (run.limits or {}).get("share")
    return visit.show(
        "advice/frontier.html", run=run, points=points, here=here, money=money_of, sure=sure_words, may=visit.actor.may(VERB), most=MOST_MOVED,
        parts=totals["all"]["parts"], chosen=chosen,
        drawn=curve(
            [(_d(p["cash"]), _d(p["sure"] * 100), _point(p, run.currency), p["href"] if visit.actor.may(VERB) else "") for p in points],
            [(_d(here[0]), _d(here[1] * 100), "This run")],
        ),
    )  # fmt: skip


def _d(value: float) -> Decimal:
    return Decimal(str(round(value, 4)))


def _point(p: Mapping[str, Any], currency: str) -> str:
    return f"{p['cash']:,.0f} {currency} at once, {p['sure'] * 100:.1f} % covered"


# -- where two differ ----------------------------------------------------------------------------------------------


@router.get("/{run_id}/differences")
async def differences(visit: Reads, run_id: UUID) -> Response:
    """Parts of which a scenario advises something else than the run that it was made from, most cash between them first."""
    company = visit.actor.company_id
    run = await queries.run(visit.session, company, run_id)
    base = await queries.run(visit.session, company, run.base_id) if run.base_id else None

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[Difference], str | None]:
        key = read_bookmark(mark, visit.secret, float, UUID)
        found = await queries.differences(session, run, after=(key[0], key[1]) if key else None, limit=rows + 1)
        some = cut(found, rows, lambda d: [repr(abs(d.apart)), d.part_id], visit.secret)
        return some.items, some.next

    def words(keep: int | None, release: int | None, scrap: int | None, preset: int | None, of: RunRow | None) -> str:
        if keep is None or of is None:
            return "nothing was said of it"
        told = [f"keep {keep:,}"]
        if release:
            name = of.policy["presets"][preset] if preset is not None and preset >= 0 else ""
            told.append(f"release {release:,}" + (f" under {COMBINATIONS[name].title}" if name in COMBINATIONS else ""))
        if scrap:
            told.append(f"scrap {scrap:,}")
        return ", ".join(told).capitalize()

    def here(d: Difference) -> str:
        return words(d.keep, d.release, d.scrap, d.preset, run)

    def there(d: Difference) -> str:
        return words(d.was_keep, d.was_release, d.was_scrap, d.was_preset, base)

    if wants_csv(visit):
        header = (
            "Part number",
            "Description",
            "In this scenario",
            "In the run that it was made from",
            "Cash at once",
            "Cash there",
            "Between them",
            "Currency",
        )
        return list_csv(visit, "scenario-differences", header, page, lambda d: [
            d.part_number, d.description, here(d), there(d), round(d.cash, 2), "" if d.was_cash is None else round(d.was_cash, 2), round(d.apart, 2), run.currency,
        ])  # fmt: skip
    rows, following = await page(visit.session, visit.asked("after") or None, PER_PAGE)
    return visit.show(
        "advice/differences.html", run=run, base=base, rows=rows, view=TableView.of(visit.request, DIFFERENCE_COLUMNS).with_next(following), here=here, there=there,
        money=money_of, sure=sure_words,
    )  # fmt: skip
