"""Plans over many parts requests: made and asked what-if without storing anything, kept, compared, confirmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.errors import DomainError, conflict
from marketplace.kit.money import minor_digits
from marketplace.kit.pages import cut, read_bookmark
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.sourcing import many, queries, service
from marketplace.sourcing.allocation import Rules
from marketplace.sourcing.many import WhatIf
from web.exports import csv_file, list_csv, wants_csv
from web.forms import Fields, Form
from web.plan_words import changes, compared, givers, holders_of, minor, pins, policy, typed
from web.session import SentForm, Visit, submit, uuid_of, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/plans", include_in_schema=False)
Sources = Annotated[Visit, visits("sourcing.read")]
Planning = Annotated[Visit, visits("sourcing.request")]

PER_PAGE: Final = 50
COLUMNS: Final = (
    Column("plan", "Plan"),
    Column("requests", "Requests", "end"),
    Column("units", "Units", "end"),
    Column("unmet", "Unmet", "end"),
    Column("cost", "Cost", "end"),
    Column("state", "What came of it"),
)
LIST_CSV: Final = ("Plan", "Made", "Requests", "Units", "Unmet", "Cost", "Currency", "Confirmed", "Orders")
PLAN_CSV: Final = (
    "Request", "Part number", "Description", "Lacking", "Unit", "Urgency", "Needed by", "Where to", "Take", "From", "Place", "Kind",
    "Arrives", "Days late", "Cost of one", "Currency", "Why", "Unmet", "Why unmet", "Next best", "More per unit", "Days later",
    "Why not the next best",
)  # fmt: skip
RULES: Final = ("first", "ties", "holder_orders", "holder_units", "holder_money", "budget", "shift_days", "without")
DONE: Final = {
    "kept": ("good", "The plan is kept.", "Nothing is ordered or reserved yet: confirm it to order everything it says."),
    "ordered": ("good", "Everything that the plan says is ordered.", "The units are reserved and the orders are with their holders."),
    "reserved": ("warn", "Ordered, some of it above your limit.", "Those units are reserved for 30 minutes; an approver has been told."),
}  # fmt: skip


@router.get("")
async def plans(visit: Sources) -> Response:
    """The company's plans, newest first."""

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[queries.PlanRow], str | None]:
        key = read_bookmark(mark, visit.secret, UUID)
        found = await queries.plans(session, visit.actor.company_id, after=key[0] if key else None, limit=rows + 1)
        some = cut(found, rows, lambda row: [row.id], visit.secret)
        return some.items, some.next

    if wants_csv(visit):
        return list_csv(visit, "plans", LIST_CSV, page, _plan_csv)
    rows, following = await page(visit.session, visit.asked("after") or None, PER_PAGE)
    return visit.show(
        "plans/list.html", rows=rows, view=TableView.of(visit.request, COLUMNS).with_next(following),
        cost=lambda p: minor(p.total_minor, p.currency), may_plan=visit.actor.may("sourcing.request"),
    )  # fmt: skip


def _plan_csv(row: queries.PlanRow) -> list[object]:
    return [
        row.reference, row.made_at.isoformat(timespec="minutes"), len(row.requests), row.units, row.unmet,
        minor(row.total_minor, row.currency).amount, row.currency,
        row.confirmed_at.isoformat(timespec="minutes") if row.confirmed_at else "", len(row.calls),
    ]  # fmt: skip


# -- rules in the address ----------------------------------------------------------------------------------


def _rules(values: Mapping[str, Any], currency: str) -> WhatIf:
    """The rules that a form or an address states; empty ones are none. Raises ``plan.rules`` naming every wrong field."""
    fields = Fields({k: v for k, v in values.items() if k in RULES})
    form = Form({k: v for k, v in values.items() if k in RULES})

    def whole(name: str, label: str, low: int, high: int) -> int | None:
        return fields.whole(name, label, low=low, high=high) if form.value(name).strip() else None

    def money(name: str, label: str) -> int | None:
        if not form.value(name).strip():
            return None
        return int(fields.amount(name, label).scaleb(minor_digits(currency)))

    without = [h for h in fields.many("without") if h]
    if any(uuid_of(h) is None for h in without):
        fields.wrong("without", "Choose holders from the list.")
    rules = Rules(
        first="pool" if form.value("first") == "pool" else "own",
        ties="concentrate" if form.value("ties") == "concentrate" else "spread",
        holder_units=whole("holder_units", "Units of one holder", 1, 10**9),
        holder_orders=whole("holder_orders", "Orders to one holder", 1, 10_000),
        holder_money=money("holder_money", "To one holder"), budget=money("budget", "Budget"), without=frozenset(without),
    )  # fmt: skip
    shift = whole("shift_days", "Days later", -365, 365) or 0
    fields.check("plan.rules", "The plan was not made anew.")
    return WhatIf(rules, shift)


def _given(visit: Visit) -> dict[str, Any]:
    """The rules in the address as a form's values."""
    params = visit.request.query_params
    found: dict[str, Any] = {
        name: params[name].strip() for name in RULES if name != "without" and params.get(name, "").strip()
    }
    if without := tuple(h for h in params.getlist("without") if h):
        found["without"] = without if len(without) > 1 else without[0]
    return found


def _values(asked: WhatIf, currency: str) -> dict[str, Any]:
    """Rules as a form's values."""
    r = asked.rules
    money = {"holder_money": r.holder_money, "budget": r.budget}
    return {
        "first": r.first, "ties": r.ties, "holder_units": str(r.holder_units or ""), "holder_orders": str(r.holder_orders or ""),
        **{k: "" if v is None else str(minor(v, currency).amount) for k, v in money.items()},
        "shift_days": str(asked.shift_days or ""), "without": tuple(sorted(r.without)),
    }  # fmt: skip


# -- a plan that is not kept -------------------------------------------------------------------------------


def _ids(texts: Sequence[str]) -> list[UUID]:
    """Requests named one by one (check boxes) or several in one field."""
    return [i for text in texts for one in text.split(",") if (i := uuid_of(one.strip())) is not None]


async def _asked_for(visit: Visit) -> list[UUID]:
    """The requests in the address, or all that lack something."""
    chosen = _ids(visit.request.query_params.getlist("r"))
    return chosen or list(await queries.unplanned(visit.session, visit.actor.company_id, limit=service.MOST_REQUESTS))


@router.get("/new")
async def new(visit: Planning) -> Response:
    """The plan for chosen requests (``?r=``; else all that lack something) under the rules in the address. Nothing is stored."""
    return await _new_page(visit, None)


async def _new_page(visit: Visit, refused: Form | None) -> Response:
    ids = await _asked_for(visit) if refused is None else _ids(_texts(refused, "r"))
    if not ids:
        return visit.show("plans/empty.html", status_code=200)
    given = _given(visit) if refused is None else {k: v for k, v in refused.values.items() if k in RULES}
    form = refused or Form(given)
    try:
        asked = _rules(given, visit.actor.currency)
    except DomainError as error:
        form, asked = Form.rejected(given, error), WhatIf()
    try:
        plan = typed(await service.plan_many(visit.session, visit.actor, ids, asked, visit.now))
    except DomainError as error:
        if error.code not in ("plan.nothing", "plan.requests"):
            raise
        return visit.show("plans/empty.html", problem=error.message)
    if wants_csv(visit):
        return _csv(visit, plan)
    named = ",".join(map(str, ids))
    chosen = refused is not None or bool(visit.request.query_params.getlist("r"))
    return visit.show(
        "plans/new.html", status_code=422 if form.bad else 200, form=form, named=named, chosen=chosen,
        export=_export("/plans/new", {**given, **({"r": named} if chosen else {})}),
        **_context(plan, _values(asked, plan["currency"]), visit.actor),
    )  # fmt: skip


def _texts(form: Form, name: str) -> list[str]:
    value = form.values.get(name, ())
    return [value] if isinstance(value, str) else list(value)


def _export(path: str, given: Mapping[str, Any]) -> str:
    return f"{path}?{urlencode({**given, 'format': 'csv'}, doseq=True)}"


def _context(plan: dict[str, Any], values: Mapping[str, Any], actor: Actor, *others: dict[str, Any]) -> dict[str, Any]:
    named = holders_of(plan, *others)
    some = givers(plan)
    return {
        "plan": plan, "givers": some, "most": max((g.units for g in some), default=0), "holders": named, "values": values,
        "policy": policy(plan["rules"], plan["currency"], named), "unmet": [r for r in plan["requests"] if r["unmet"]],
        "currency": plan["currency"], "may_order": actor.may("sourcing.request"),
    }  # fmt: skip


@router.post("/new")
async def keep(request: Request, sent: SentForm, now: Now) -> Response:
    """Keeps the plan as it is now under the rules that were shown."""

    async def act(session: WriteSession, actor: Actor) -> str:
        ids = _ids(_texts(sent.form(), "r"))
        made, _ = await service.make_plan(session, actor, ids, _rules(sent.values, actor.currency), now)
        return str(made)

    async def again(visit: Visit, form: Form) -> Response:
        return await _new_page(visit, form)

    return await submit(
        request, sent, "sourcing.request", act, now=now, to=lambda made: f"/plans/{made}?done=kept", again=again
    )


# -- a kept plan -------------------------------------------------------------------------------------------


@router.get("/{plan_id}")
async def plan_page(visit: Sources, plan_id: UUID) -> Response:
    """What to order from whom, and why; with rules in the address also what they would change, which stores nothing."""
    return await _plan_page(visit, plan_id)


async def _plan_page(visit: Visit, plan_id: UUID, problem: DomainError | None = None) -> Response:
    row = await queries.kept_plan(visit.session, plan_id)
    plan = typed(many.for_reader(row.shown or {}, visit.actor.masked))
    if wants_csv(visit):
        return _csv(visit, plan)
    kept, given = many.rules_of(row.rules), _given(visit)
    form, other = Form(given), None
    asking = bool(given) or problem is not None
    if asking and row.confirmed_at is None:
        try:
            asked = _rules(given, plan["currency"]) if given else kept
            other = typed(await service.plan_many(visit.session, visit.actor, row.requests, asked, visit.now))
        except DomainError as error:
            form = Form.rejected(given, error)
    values = _given(visit) or _values(kept, plan["currency"])
    return visit.show(
        "plans/plan.html", status_code=422 if form.bad else 409 if problem else 200, row=row, form=form, other=other, problem=problem,
        differs=changes(plan, other) if other else [], said=compared(plan, other) if other else [],
        other_rules=other["rules"] if other else None, done=DONE.get(visit.asked("done")),
        export=f"/plans/{plan_id}?format=csv", places=f"/plans/{plan_id}/places.geojson" if pins(plan) else None, **_context(plan, values, visit.actor, *([other] if other else [])),
    )  # fmt: skip


@router.get("/{plan_id}/places.geojson")
async def places(visit: Sources, plan_id: UUID) -> Response:
    """The places that a kept plan takes units from, as points for the map."""
    row = await queries.kept_plan(visit.session, plan_id)
    plan = typed(many.for_reader(row.shown or {}, visit.actor.masked))
    return JSONResponse({"type": "FeatureCollection", "features": pins(plan)}, media_type="application/geo+json")


@router.post("/{plan_id}/confirm")
async def confirm(request: Request, plan_id: UUID, sent: SentForm, now: Now) -> Response:
    """Shows what confirming does; once confirmed, orders everything in one transaction. Where something is gone the page shows the
    plan as it would be now."""

    async def act(session: WriteSession, actor: Actor) -> str:
        done = await service.confirm_plan(session, actor, plan_id, now)
        return "reserved" if done["waiting"] else "ordered"

    async def again(visit: Visit, form: Form) -> Response:
        return await _plan_page(visit, plan_id, conflict("plan.changed", form.problem or "The plan has changed."))

    async def check(visit: Visit, form: Form, outcome: Any) -> Response:
        row = await queries.kept_plan(visit.session, plan_id)
        plan = typed(many.for_reader(row.shown or {}, visit.actor.masked))
        return visit.show("plans/confirm.html", row=row, form=form, outcome=outcome, **_context(plan, {}, visit.actor))

    return await submit(
        request, sent, "sourcing.request", act, now=now, to=lambda done: f"/plans/{plan_id}?done={done}", again=again, confirm=check,
    )  # fmt: skip


def _csv(visit: Visit, plan: Mapping[str, Any]) -> Response:
    async def more(_session: ReadSession, _mark: str | None) -> tuple[Sequence[Sequence[object]], str | None]:
        return [line for r in plan["requests"] for line in _csv_lines(r, plan["currency"])], None

    return csv_file(visit, "plan", PLAN_CSV, more)


def _csv_lines(r: Mapping[str, Any], currency: str) -> list[list[object]]:
    n = r["next_best"]
    head = [
        r["reference"], r["part_number"], r["description"], r["lacking"], r["uom"], r["urgency"],
        r["needed_by"].isoformat(timespec="minutes"), r["destination"] or "",
    ]  # fmt: skip
    tail = [
        r["unmet"], r["unmet_why"] or "", n["holder"] if n else "", n["more"].amount if n else "", n["later_days"] if n else "",
        n["why"] if n else "",
    ]  # fmt: skip
    lines = [
        [
            *head, c["quantity"], c["holder"], c["site"], c["kind"], c["arrives"].isoformat(timespec="minutes") if c["arrives"] else "",
            c["late_days"], c["unit_total"].amount, currency, c["why"], *tail,
        ]
        for c in r["chosen"]
    ]  # fmt: skip
    return lines or [[*head, 0, "", "", "", "", "", "", currency, "", *tail]]
