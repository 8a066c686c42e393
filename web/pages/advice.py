"""The advisor: its runs and the policy of a new one, the table of one run, what it comes to, and one part of it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.advising import outlook, queries, service, wording
from marketplace.advising.endpoints import known
from marketplace.advising.overlay import months_of
from marketplace.advising.queries import AdviceRow, RowFilter, RunRow
from marketplace.advising.reckoning import Kind, Mark, policy_from
from marketplace.advising.scenarios import Limits
from marketplace.advising.using import words as use_words
from marketplace.agreements.combinations import COMBINATIONS
from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.errors import invalid
from marketplace.kit.money import Money
from marketplace.kit.pages import cut, read_bookmark
from marketplace.listings import queries as listings
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.parts.numbers import normalise
from marketplace.planning.advice import Policy
from marketplace.planning.choosing import MODELS
from marketplace.planning.choosing import WORDS as MODEL_WORDS
from marketplace.planning.classes import DemandClass
from marketplace.planning.clauses import USUAL, read
from web.charts import chart
from web.exports import list_csv, wants_csv
from web.forms import Fields, Form
from web.session import SentForm, Visit, submit, uuid_of, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/advice", include_in_schema=False)
Reads = Annotated[Visit, visits("planning.read")]
VERB: Final = "planning.write"
PER_PAGE: Final = 50
MOST_SCENARIOS: Final = 20
RUN_COLUMNS: Final = (
    Column("run", "Run"), Column("parts", "Parts", "end"), Column("release", "Release", "end"), Column("scrap", "Scrap", "end"),
    Column("cash", "Cash at once", "end"), Column("gain", "More than keeping all", "end"), Column("state", "State"),
)  # fmt: skip
COLUMNS: Final = (
    Column("pick", "Choose", hidden_label=True),
    Column("part", "Part"), Column("class", "Demand"), Column("stock", "Free stock", "end"), Column("advice", "Advice"),
    Column("cash", "Cash at once", "end"), Column("stake", "More than keeping all", "end"), Column("covered", "Covered", "end"), Column("marks", "To look at"),
)  # fmt: skip
CSV: Final = (
    "Part number", "Description", "Unit", "Class", "Rate a year", "Rate from", "Rate to", "Falls a year", "Free stock", "Unit cost", "Advice", "Keep", "Release",
    "Terms", "Minimum to keep", "Scrap", "Cash at once", "Worth", "Worth of scrapping all", "Worth of keeping all", "More than keeping all", "Covered if all is kept",
    "Covered as advised", "Covered if demand is at the upper end", "Price needed to release", "Currency", "To look at", "Why",
)  # fmt: skip
SHARES: Final = {
    "interest": ("Interest a year", 8), "obsolescence": ("Obsolescence a year", 2), "hazard": ("Partners use up a year", 10), "holding_share": ("Keeping a unit for a year", 12),
    "price_share": ("A partner pays", 60), "scrap_share": ("Scrapping brings", 5), "call_share": ("Ordering a unit back", 5),
}  # fmt: skip
"""Fields of the policy that a form asks for in percent."""
RISKS: Final = (
    "Partners tend to fail and to need parts together.",
    "How fast partners use units up is an assumption until their own use is known.",
    "Demand is reckoned unit by unit: what is asked for several at a time is covered less well than it says.",
    "What a partner pays is an assumption until it is agreed, and that one buys whatever is released.",
)
CHOICES: Final = {
    "advice": {k.name.lower() for k in Kind}, "terms": {*COMBINATIONS, "none"}, "class": {c.name.lower() for c in DemandClass}, "mark": {m.name.lower() for m in Mark if m.name},
}  # fmt: skip
USES: Final = (
    ("non_capital_spare", "Spares, to fit into its machines"),
    ("intermediate_good", "Intermediate goods, to use up in its production"),
)
DONE: Final = {
    "taken": ("good", "The lines are in drafts, one for each set of terms.", "Nothing is published: look at them under Surplus postings, then publish."),
    "kept": ("good", "Decided: every unit is kept.", "Your reason stands beside the advice."),
}  # fmt: skip
_FIGURES: Final = tuple(AdviceRow.__slots__)


def money_of(value: float, currency: str) -> Money | None:
    return Money(Decimal(str(round(value, 2))), currency).rounded() if known(value) is not None else None


def defaults_of(policy: Policy) -> dict[str, str]:
    """What stands at first in the fields of a policy."""
    shares = {name: f"{getattr(policy, name) * 100:g}" for name in SHARES}
    return {"horizon": f"{policy.horizon:g}", "value_times": f"{policy.value_times:g}", **shares}


@router.get("")
async def runs(visit: Reads) -> Response:
    """Runs, newest first, and the policy of another one."""
    return await _runs(visit, Form({"presets": tuple(USUAL), "learn": "yes"}))


async def _runs(visit: Visit, form: Form) -> Response:
    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[RunRow], str | None]:
        key = read_bookmark(mark, visit.secret, UUID)
        found = await queries.runs(session, visit.actor.company_id, after=key[0] if key else None, limit=rows + 1)
        some = cut(found, rows, lambda r: [r.id], visit.secret)
        return some.items, some.next

    if wants_csv(visit):
        header = (
            "Run",
            "State",
            "Horizon",
            "Parts",
            "Advised",
            "Release",
            "Scrap",
            "Cash at once",
            "Worth",
            "Worth of keeping all",
            "Currency",
        )
        return list_csv(visit, "advice-runs", header, page, _run_csv)
    rows, following = await page(visit.session, visit.asked("after") or None, PER_PAGE)
    files = await queries.counting_files(visit.session, visit.actor.company_id)
    return visit.show(
        "advice/runs.html", rows=rows, view=TableView.of(visit.request, RUN_COLUMNS).with_next(following), form=form, defaults=defaults_of(Policy()), terms=COMBINATIONS,
        may=visit.actor.may(VERB), files=len(files), until=max((f.last_month for f in files if f.last_month), default=None), money=money_of,
    )  # fmt: skip


def _run_csv(r: RunRow) -> list[object]:
    sums = r.totals["all"] if r.totals else {}
    return [
        r.created_at.isoformat(timespec="seconds"), r.state, r.policy["horizon"], int(sums.get("parts", 0)), (r.totals or {}).get("advised", ""),
        *(round(sums[n], 2) if sums else "" for n in ("release", "scrap", "cash", "worth", "worth_kept")), r.currency,
    ]  # fmt: skip


@router.post("")
async def start(request: Request, sent: SentForm, now: Now) -> Response:
    """Asks for advice on every part under the policy of the form."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        return await service.start_run(session, actor, policy_of(sent.fields(), sent.form()), now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _runs(visit, form)

    return await submit(request, sent, VERB, act, now=now, to=lambda made: f"/advice/{made}", again=again)


def policy_of(fields: Fields, form: Form) -> Policy:
    def figure(name: str, label: str, most: float) -> float:
        found = float(fields.amount(name, label))
        if found > most:
            fields.wrong(name, f"{label} is at most {most:g}.")
        return found

    values: dict[str, Any] = {
        "horizon": figure("horizon", "Years to cover", 100),
        "value_times": figure("value_times", "A missing unit costs", 1_000),
    }
    for name, (label, _) in SHARES.items():
        values[name] = figure(name, label, 1_000) / 100
    presets = tuple(name for name in fields.many("presets") if name in COMBINATIONS)
    if not presets:
        fields.wrong("presets", "Choose at least one set of terms.")
    fields.check("advice.policy", "No advice was asked for.")
    return Policy(**values, presets=presets, renewed=fields.yes("renewed"), learn=fields.yes("learn"))


# -- one run -----------------------------------------------------------------------------------------------


def _filter(visit: Visit, policy: Policy) -> RowFilter:
    return _wanted(lambda name: visit.choice(name, CHOICES[name]) if name in CHOICES else visit.asked(name), policy)


def _wanted(given: Callable[[str], str], policy: Policy) -> RowFilter:
    """Which rows an address or a form asks for; terms that the run did not weigh are no filter."""
    number = normalise(given("number")) if given("number") else ""
    advice, kind, mark, terms = (
        text if (text := given(name)) in CHOICES[name] else "" for name in ("advice", "class", "mark", "terms")
    )
    places = {"none": -1, **{name: n for n, name in enumerate(policy.presets)}}
    return RowFilter(
        advice=Kind[advice.upper()] if advice else None, kind=DemandClass[kind.upper()] if kind else None,
        marks=wording.mark_named(mark) if mark else 0, preset=places.get(terms), number=number or None,
    )  # fmt: skip


@router.get("/{run_id}")
async def one(visit: Reads, run_id: UUID) -> Response:
    """The table, most money at stake first; how far the worker is while it is at work."""
    return await _one(visit, run_id, Form())


async def _one(visit: Visit, run_id: UUID, form: Form) -> Response:
    run = await queries.run(visit.session, visit.actor.company_id, run_id)
    policy = policy_from(run.policy, run.totals)
    wanted = _filter(visit, policy)

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[AdviceRow], str | None]:
        key = read_bookmark(mark, visit.secret, float, UUID)
        found = await queries.rows(
            session, visit.actor.company_id, run_id, wanted, after=(key[0], key[1]) if key else None, limit=rows + 1
        )
        some = cut(found, rows, lambda r: [repr(r.stake), r.part_id], visit.secret)
        return some.items, some.next

    if wants_csv(visit):
        return list_csv(visit, "advice", CSV, page, lambda r: _csv_row(r, policy, run.currency))
    rows, following = (
        await page(visit.session, visit.asked("after") or None, PER_PAGE) if run.state == "done" else ((), None)
    )
    view = TableView.of(visit.request, COLUMNS).with_next(following)
    company, stress = visit.actor.company_id, (run.totals or {}).get("stress")
    return visit.show(
        "advice/run.html", base=await queries.run(visit.session, company, run.base_id) if run.base_id and run.totals else None, limits=_limit_words(run), stress=stress,
        scenarios=await queries.runs(visit.session, company, base_id=run_id, limit=MOST_SCENARIOS), names=await _names(visit, stress["holders"] if stress else []),
        protected=await listings.protected(visit.session, company, [r.part_id for r in rows]), run=run, policy=policy, rows=rows, view=view, form=form, chips=_chips(view, policy), may=visit.actor.may(VERB),
        why=_sentences(rows, policy), terms=_terms(policy), kinds=_options(wording.KINDS), marks=_options(wording.MARKS),
        classes=[(c.name.lower(), c.words) for c in DemandClass], words=wording, rate_words=rate_words, Kind=Kind, DemandClass=DemandClass, money=money_of, sure=sure_words, told=outlook.told_about(policy),
        decided=await queries.decisions(visit.session, visit.actor.company_id, run_id, [r.part_id for r in rows]), done=DONE.get(visit.asked("done")),
        may_take=visit.actor.may(VERB) and visit.actor.may("release.write"), uses=USES, filters=[(n, v) for n, v in view.query if n in ("advice", "class", "mark", "terms", "number")],
    )  # fmt: skip


async def _names(visit: Visit, holders: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Names of the partners that a run tells of, by id."""
    found = await queries.names_of(visit.session, [UUID(h["holder"]) for h in holders])
    return {str(key): name for key, name in found.items()}


def _limit_words(run: RunRow) -> list[str]:
    """The limits of a scenario, each in words."""
    limits = Limits.of(run.limits)
    told = []
    if limits.cash:
        told.append(f"At least {limits.cash:,.0f} {run.currency} is to come in at once.")
    if limits.kept is not None:
        told.append(f"At most {limits.kept:,.0f} units are to be kept.")
    for level, share in sorted(limits.least.items()):
        told.append(f"{('Ordinary', 'Important', 'Vital')[level]} parts are to be covered at least {share * 100:g} %.")
    if limits.share is not None:
        told.append("A point of the frontier: the most coverage that this much cash at once leaves.")
    return told


@router.post("/{run_id}/accept")
async def accept(request: Request, run_id: UUID, sent: SentForm, now: Now) -> Response:
    """Chosen lines, or all that match the filters, into drafts: one for each set of terms."""

    async def act(session: WriteSession, actor: Actor) -> str:
        actor.require("release.write")
        form, fields = sent.form(), sent.fields()
        run = await queries.run(session, actor.company_id, run_id)
        chosen = [found for text in fields.many("part") if (found := uuid_of(text))]
        every = form.value("which") == "all"
        if not every and not chosen:
            raise invalid("advice.nothing", "Choose at least one line, or take all that match.")
        made = await service.accept(
            session, actor, run_id, part_ids=None if every else chosen, wanted=_wanted(form.value, policy_from(run.policy, run.totals)), use_class=form.value("use_class") or USES[0][0], now=now
        )  # fmt: skip
        return f"/releases/{made[0]}" if len(made) == 1 else f"/advice/{run_id}?done=taken"

    async def again(visit: Visit, form: Form) -> Response:
        return await _one(visit, run_id, form)

    return await submit(request, sent, VERB, act, now=now, to=str, again=again)


@router.post("/{run_id}/parts/{part_id}/decide")
async def decide(request: Request, run_id: UUID, part_id: UUID, sent: SentForm, now: Now) -> Response:
    """Another decision than the advice, and why."""

    async def act(session: WriteSession, actor: Actor) -> str:
        actor.require("release.write")
        form, fields = sent.form(), sent.fields()
        release = fields.whole("release", "Release")
        floor = fields.whole("floor", "Minimum to keep", empty=0)
        reason = fields.text("reason", "Why", most=service.MOST_REASON)
        fields.check("advice.decision", "Nothing was decided.")
        made = await service.decide_otherwise(
            session, actor, run_id, part_id, release=release, preset=form.value("preset") or None, floor=floor, reason=reason,
            use_class=form.value("use_class") or USES[0][0], now=now,
        )  # fmt: skip
        return f"/releases/{made}" if made else f"/advice/{run_id}/parts/{part_id}?done=kept"

    async def again(visit: Visit, form: Form) -> Response:
        return await _part(visit, run_id, part_id, form)

    return await submit(request, sent, VERB, act, now=now, to=str, again=again)


def _options(words: Mapping[Any, str]) -> list[tuple[str, str]]:
    return [(key.name.lower(), text) for key, text in words.items()]


def _terms(policy: Policy) -> list[tuple[str, str]]:
    """What a part can be released under in this run, and nothing of it."""
    return [*((name, COMBINATIONS[name].title) for name in policy.presets), ("none", "Nothing released")]


def _chips(view: TableView, policy: Policy) -> list[tuple[str, str, str]]:
    found = []
    for name, words in (
        ("advice", dict(_options(wording.KINDS))),
        ("class", {c.name.lower(): c.words for c in DemandClass}),
        ("terms", dict(_terms(policy))),
        ("mark", dict(_options(wording.MARKS))),
    ):
        value = view.filter_value(name)
        if value in words:
            found.append((name, value, words[value]))
    if number := view.filter_value("number"):
        found.append(("number", number, f"Number begins with {number}"))
    return found


def _sentences(rows: Sequence[AdviceRow], policy: Policy) -> dict[UUID, str]:
    if not rows:
        return {}
    found = wording.as_advice(rows, policy, _FIGURES)
    return {r.part_id: found.sentence(n) for n, r in enumerate(rows)}


def sure_words(share: float) -> str:
    """Never rounded up to certainty."""
    return (
        ">\u00a099.9\u00a0%"
        if share >= 0.9995
        else f"{share * 100:.1f}\u00a0%"
        if share >= 0.99
        else f"{share * 100:.0f}\u00a0%"
        if share >= 0.01
        else "<\u00a01\u00a0%"
    )


def rate_words(value: float) -> str:
    """Units, to three figures; what is next to nothing in words."""
    return "next to none" if value < 0.001 else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _figure(value: float, digits: int = 2) -> float | str:
    return round(value, digits) if known(value) is not None else ""


def _csv_row(r: AdviceRow, policy: Policy, currency: str) -> list[object]:
    terms = read(policy.presets[r.preset]) if r.preset >= 0 else None
    return [
        r.part_number, r.description, r.uom, DemandClass(r.kind).words, _figure(r.rate, 5), _figure(r.rate_low, 5), _figure(r.rate_high, 5), _figure(r.decline, 4), r.stock,
        _figure(r.cost), wording.KINDS[Kind(r.advice)], r.keep, r.release, terms.title if terms else "", min(terms.floor, r.release) if terms else "", r.scrap,
        *(_figure(v) for v in (r.cash, r.worth, r.worth_scrapped, r.worth_kept, r.stake)), *(_figure(v, 4) for v in (r.before, r.after, r.cautious)),
        _figure(r.price_needed), currency, "; ".join(wording.MARKS[m] for m in wording.marks(r.marks)), _sentences([r], policy)[r.part_id],
    ]  # fmt: skip


@router.get("/{run_id}/progress")
async def progress(visit: Reads, run_id: UUID) -> Response:
    """How far it is, for the page to replace every two seconds; once it has ended, the whole page is loaded."""
    run = await queries.run(visit.session, visit.actor.company_id, run_id)
    response = visit.show("advice/progress.html", run=run)
    if run.state not in ("waiting", "running"):
        response.headers["HX-Refresh"] = "true"
    return response


@router.get("/{run_id}/totals")
async def totals(visit: Reads, run_id: UUID) -> Response:
    """What it comes to on one page: the money, how it splits, what it assumes, and what it does not know."""
    run = await queries.run(visit.session, visit.actor.company_id, run_id)
    policy = policy_from(run.policy, run.totals)
    readings = [read(name) for name in policy.presets]
    use = (run.totals or {}).get("use") or {"terms": {}, "partners": []}
    return visit.show(
        "advice/totals.html", **_against(run, policy), limits=_limit_words(run),
        links={"advice": {str(int(k)): f"advice={k.name.lower()}" for k in Kind}, "class": {str(int(c)): f"class={c.name.lower()}" for c in DemandClass}, "preset": {"-1": "terms=none", **{str(n): f"terms={name}" for n, name in enumerate(policy.presets)}}},
        use=use, names=await _names(visit, use["partners"]), models=MODEL_WORDS, class_words=lambda k: DemandClass(k).words,
        title_of=lambda name: COMBINATIONS[name].title, run=run, policy=policy, money=money_of, sure=sure_words, risks=RISKS, told=outlook.told_about(policy),
        by=[
            ("What is advised", "advice", {str(int(k)): w for k, w in wording.KINDS.items()}), ("Demand", "class", {str(int(c)): c.words for c in DemandClass}),
            ("Terms", "preset", {"-1": "Nothing released", **{str(n): r.title for n, r in enumerate(readings)}}),
        ],
        marks=[(w, m.name, run.totals["marks"][str(m.value)]) for m, w in wording.MARKS.items()] if run.totals else [], classes=[(c.words, MODEL_WORDS[run.totals["model"][str(int(c))]]) for c in DemandClass] if run.totals else [],
    )  # fmt: skip


def _against(run: RunRow, policy: Policy) -> dict[str, Any]:
    """``against``: (what, if nothing is done, as advised, what it rests on); ``goes``: cost of what is to go (None: not kept by older runs)."""
    if not run.totals:
        return {"against": [], "goes": None}
    every, none = run.totals["all"], run.totals["advice"].get(str(int(Kind.NONE)), {})
    tied, kept = every["tied_up"] - none.get("tied_up", 0.0), every.get("kept_at_cost")
    found = [
        (
            "Cash at once",
            0.0,
            every["cash"],
            f"A partner pays {policy.price_share * 100:g} % of the unit cost, less under terms that bind it; all of it is bought.",
        )
    ]
    if kept is not None:
        left = kept - none.get("kept_at_cost", 0.0)
        share = policy.holding_share
        found = [
            ("Tied up at cost", tied, left, "Unit costs of the stock file, or list prices where it has none."),
            ("Keeping it, a year", tied * share, left * share, f"Keeping a unit costs {share * 100:g} % of its cost a year."), *found,
        ]  # fmt: skip
    worth = f"Demand over {policy.horizon:g} years at {policy.interest * 100:g} % interest; a missing unit costs {policy.value_times:g} times its cost."
    found.append(("Worth", every["worth_kept"], every["worth"], worth))
    return {"against": found, "goes": None if kept is None else every["tied_up"] - kept}


@router.get("/{run_id}/parts/{part_id}")
async def part(visit: Reads, run_id: UUID, part_id: UUID) -> Response:
    """One part: what was asked for and is expected, coverage over the years, each further unit, and other terms."""
    return await _part(visit, run_id, part_id, Form())


async def _part(visit: Visit, run_id: UUID, part_id: UUID, form: Form) -> Response:
    company = visit.actor.company_id
    run = await queries.run(visit.session, company, run_id)
    row = await queries.advice_row(visit.session, company, run_id, part_id)
    said = [s for _, s in await queries.said_of_parts(visit.session, company, [part_id])]
    months = months_of([(s.first, s.units) for s in said])
    policy = policy_from(run.policy, run.totals)
    found = wording.as_advice([row], policy, _FIGURES)
    # A second of reckoning is nothing that other requests should wait for.
    others = await asyncio.to_thread(outlook.other_terms, found) if row.advised else []
    curve = outlook.coverage_curve(found)
    decided = (await queries.decisions(visit.session, company, run_id, [part_id])).get(part_id)
    terms, units = outlook.nth_units(found) if row.advised else (None, [])
    today = visit.today
    of_terms = ((run.totals or {}).get("use") or {}).get("terms", {})
    weighed = policy.presets[max(row.preset, 0)]
    return visit.show(
        "advice/part.html", protected=bool(await listings.protected(visit.session, company, [part_id])),
        use_words=use_words(row.use_from, row.hazard, row.use_units, row.use_used, row.use_years, of_terms.get(weighed)), decided=decided, uses=USES, all_terms=[(n, c.title) for n, c in COMBINATIONS.items()], may_take=visit.actor.may(VERB) and visit.actor.may("release.write"), run=run, row=row, policy=policy, form=form, why=found.sentence(0), sure=sure_words, money=money_of, may=visit.actor.may(VERB), known=known, rate_words=rate_words,
        class_words=DemandClass(row.kind).words, model_words=MODEL_WORDS[MODELS[row.model]], marks=[wording.MARKS[m] for m in wording.marks(row.marks)], kind=wording.KINDS[Kind(row.advice)],
        history=chart([(date(m // 12, m % 12 + 1, 1), None if u is None else Decimal(str(u))) for m, u, _ in months], steps=True, whole=True), by_year=_by_year(months),
        ahead=[(t, row.rate * f, row.rate_low * f, row.rate_high * f) for t in (1, 5, 10, 20) if t <= max(policy.horizon, 1) for f in [_full(row.decline, t)]],
        curve=curve, drawn=chart([(today + timedelta(days=round(c.years * 365.25)), Decimal(str(round(c.after * 100, 2)))) for c in ([_now(curve[0])] if curve[0].years else []) + curve], steps=False),
        terms=terms, units=units, others=others, done=DONE.get(visit.asked("done")), own=read(policy.presets[row.preset]) if row.preset >= 0 else None,
    )  # fmt: skip


def _now(first: outlook.CoverageAt) -> outlook.CoverageAt:
    return outlook.CoverageAt(0.0, 1.0, 1.0, 1.0) if first.years else first


def _full(decline: float, years: float) -> float:
    """Years as full as the first, where demand falls."""
    return -math.expm1(-decline * years) / decline if decline > 1e-9 else years


def _by_year(months: Sequence[tuple[int, float | None, int | None]]) -> list[tuple[int, float, int]]:
    """(year, units, months on record)."""
    found: dict[int, list[float]] = {}
    for month, units, _ in months:
        found.setdefault(month // 12, []).extend([] if units is None else [units])
    return [(year, sum(units), len(units)) for year, units in sorted(found.items())]
