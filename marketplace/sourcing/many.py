"""A plan over many parts requests: from places to sources, and what is kept and shown of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from marketplace.kit.money import Money
from marketplace.parties.actor import roughly
from marketplace.sourcing.allocation import PLAIN, Chosen, Need, NotChosen, Plan, Rules, Source
from marketplace.sourcing.candidates import Blocked, Candidate
from marketplace.sourcing.rates import Rate, in_minor, missing_words, usable

SCARCITY_MINOR = 300
LEFT_SHOWN = 6
"""Places that were not chosen, and places that give nothing, shown of each request."""


Before = Collection[tuple[UUID, UUID | None]]
"""Holders of whom an order for a request came to nothing, each with the place that it was to come from."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A request as it is planned: what it still lacks, and every place with the rank of its part."""

    id: UUID
    reference: str
    part_id: UUID
    part_number: str
    description: str
    uom: str
    lacking: int
    needed_by: datetime
    urgency: str
    destination: str | None
    complete_only: bool
    kit: str
    places: tuple[tuple[int, Candidate], ...]
    asked_before: tuple[tuple[UUID, UUID | None], ...] = ()
    """Holders, and the places, of whom an order for it came to nothing."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """How a plan is made, as somebody asks for it: the policy, and what if. ``shift_days``: everything is needed so many days later
    (or sooner); ``without``: places' holders left out, by the digest that a plan names them by."""

    rules: Rules = PLAIN
    shift_days: int = 0


def rules_kept(asked: WhatIf) -> dict[str, Any]:
    """As it is stored with the plan."""
    return {**asdict(asked.rules), "without": sorted(asked.rules.without), "shift_days": asked.shift_days}


def rules_of(kept: Mapping[str, Any]) -> WhatIf:
    """And read again."""
    given = {k: v for k, v in kept.items() if k not in ("shift_days", "without")}
    return WhatIf(Rules(**given, without=frozenset(kept["without"])), kept["shift_days"])


def problem(
    requests: Sequence[Asking], asked: WhatIf, currency: str, rates: Mapping[str, Rate], today: date
) -> tuple[list[Need], list[Source], dict[UUID, list[Candidate]]]:
    """Needs and sources in one currency, and of each request the places as they are shown: those whose price nobody can compare
    say so."""
    rates = usable(rates, today)
    needs: list[Need] = []
    sources: list[Source] = []
    shown: dict[UUID, list[Candidate]] = {}
    for r in requests:
        parts = dict.fromkeys(c.part_id for _, c in sorted(r.places, key=lambda p: p[0]))
        wanted = tuple(dict.fromkeys((r.part_id, *parts)))
        needed_by = r.needed_by + timedelta(days=asked.shift_days)
        needs.append(Need(str(r.id), wanted, r.lacking, needed_by, r.urgency, r.complete_only, r.kit))
        shown[r.id] = []
        there = comparable([c for _, c in r.places], currency, rates, today)
        if r.asked_before:
            there = others_first(there, r.asked_before, least=r.lacking if r.complete_only or r.kit else 1)
        for c in there:
            price = in_minor(c.unit_price, currency, rates) if c.unit_price is not None else None
            if c.callable and price is not None and c.arrives is not None:
                sources.append(source_of(str(r.id), c, price))
            shown[r.id].append(c)
    return needs, sources, shown


def comparable(places: Sequence[Candidate], currency: str, rates: Mapping[str, Rate], today: date) -> list[Candidate]:
    """The places, those whose price no rate of the last days compares with the others' as ones that cannot be had, with the reason."""
    rates = usable(rates, today)
    found = []
    for c in places:
        if not c.callable or c.unit_price is None or in_minor(c.unit_price, currency, rates) is not None:
            found.append(c)
            continue
        words = missing_words(c.unit_price.currency, currency)
        found.append(c._replace(blocked=(*c.blocked, Blocked(c.callable, "no_rate", words)), callable=0))
    return found


def others_first(places: Sequence[Candidate], before: Before, *, least: int) -> list[Candidate]:
    """The places, those of whom an order for the request came to nothing before as ones that a plan leaves out, with the reason; all as
    they are where the others cannot give ``least``. Own stock, and a holder that is not named, is known by the place alone: that two
    places have one holder is not told of those."""

    if sum(c.callable for c in places if not asked_before(c, before)) < least:
        return list(places)
    return [
        c._replace(blocked=(*c.blocked, Blocked(c.callable, "asked_before", _ASKED_BEFORE)), callable=0)
        if c.callable and asked_before(c, before) else c
        for c in places
    ]  # fmt: skip


def asked_before(c: Candidate, before: Before) -> bool:
    """Whether an order for the request came to nothing there, as far as a plan may tell."""
    return any(
        c.site_id == site if c.masked or c.kind == "own_stock" else c.holder_id == holder for holder, site in before
    )


def passed_over(c: Candidate, before: Before) -> bool:
    """Whether nothing is ordered there by itself: the holder of whom an order came to nothing, wherever its units are; of the maker's own
    sites only the one that said so."""
    return any((c.holder_id, c.site_id) == one if c.kind == "own_stock" else c.holder_id == one[0] for one in before)


AGAIN = "An order for this request came to nothing there before; without it too little can be had."
_ASKED_BEFORE = "An order for this request came to nothing there. Others come first; once they give no more, a plan takes from it again."


def why_again(c: Candidate, before: Before) -> str:
    """Said where a plan takes from a place that came to nothing before."""
    return AGAIN if asked_before(c, before) else ""


def source_of(need: str, c: Candidate, price: int) -> Source:
    """A place that can give something, for one need, at this price in minor units."""
    assert c.arrives is not None  # noqa: S101 - asked before
    own = c.kind == "own_stock"
    return Source(
        need=need, key=c.key, part=c.part_id, own=own, capacity=c.callable, group=c.group, group_cap=c.group_cap,
        price=price, freight=c.haul.cost_minor, arrives=c.arrives,
        # The last units of a place are worth a little more than the first of a full shelf.
        scarcity=0 if own else SCARCITY_MINOR // max(c.callable, 1), holder=c.holder, held_by=str(c.holder_id),
        least=c.least, multiple=c.multiple, deed="" if own else str(c.agreement_id), deed_orders=c.orders_left,
    )  # fmt: skip


def shown(
    plan: Plan,
    requests: Sequence[Asking],
    places: Mapping[UUID, Sequence[Candidate]],
    asked: WhatIf,
    currency: str,
    rates: Mapping[str, Rate],
    now: datetime,
    *,
    masked: bool,
) -> dict[str, Any]:
    """The plan as it is kept and shown: JSON-able, costs in minor units of ``currency``, requests in the order given."""
    by_need: dict[str, list[Chosen]] = {}
    for chosen in plan.chosen:
        by_need.setdefault(chosen.need, []).append(chosen)
    left: dict[str, list[NotChosen]] = {}
    for other in plan.not_chosen:
        left.setdefault(other.need, []).append(other)
    used = {c.unit_price.currency for some in places.values() for c in some if c.unit_price and c.callable} - {currency}
    return {
        "made_at": now, "currency": currency, "total_minor": plan.total, "proven": plan.proven, "masked": masked,
        "rules": rules_kept(asked), "rates": [rates[c].words for c in sorted(used) if c in rates],
        "units": sum(c.quantity for c in plan.chosen), "lacking": sum(r.lacking for r in requests),
        "unmet": sum(plan.unmet.values()),
        "late": len({c.need for c in plan.chosen if c.late_days}),
        "requests": [
            _one(r, places[r.id], by_need.get(str(r.id), []), left.get(str(r.id), []), plan)
            for r in requests
        ],
    }  # fmt: skip


def _one(
    r: Asking, places: Sequence[Candidate], chosen: Sequence[Chosen], left: Sequence[NotChosen], plan: Plan
) -> dict[str, Any]:
    by_key = {c.key: c for c in places}
    following = next((n for n in left if n.possible), None)
    return {
        "id": r.id, "reference": r.reference, "part_id": r.part_id, "part_number": r.part_number, "description": r.description,
        "uom": r.uom, "lacking": r.lacking, "needed_by": r.needed_by, "urgency": r.urgency, "destination": r.destination,
        "complete_only": r.complete_only, "kit": r.kit,
        "unmet": plan.unmet.get(str(r.id), 0), "unmet_why": plan.unmet_why.get(str(r.id)),
        "chosen": [
            {**taken(c), "why": c.why, "again": why_again(by_key[c.source], r.asked_before), **_described(by_key[c.source], r)}
            for c in chosen
        ],
        "next_best": None if following is None else _left(following, by_key, r),
        "not_chosen": [_left(n, by_key, r) for n in left[:LEFT_SHOWN]],
        "not_chosen_more": max(len(left) - LEFT_SHOWN, 0),
        "not_callable": [{**_described(c, r), **blocked(c)} for c in islice((c for c in places if c.blocked), LEFT_SHOWN)],
    }  # fmt: skip


def _left(n: NotChosen, by_key: Mapping[str, Candidate], r: Asking) -> dict[str, Any]:
    return {
        "key": n.source, "more_minor": n.more, "later_days": n.later, "possible": n.possible, "why": n.words,
        **_described(by_key[n.source], r),
    }  # fmt: skip


def _described(c: Candidate, r: Asking) -> dict[str, Any]:
    return {
        **described(c), "stands_in": c.part_id != r.part_id, "holder_key": holder_key(c), "lat": _degrees(c.point.lat),
        "lon": _degrees(c.point.lon),
    }  # fmt: skip


def _degrees(value: float | None) -> str | None:
    """As text, since what is kept has no binary fractions."""
    return None if value is None else f"{value:.5f}"


def described(c: Candidate) -> dict[str, Any]:
    """A place as every plan tells it."""
    return {
        "kind": c.kind, "part_id": c.part_id, "holder": c.holder, "site": c.site, "region": c.region, "condition": c.condition,
        "distance": c.distance_words, "arrives": c.arrives, "respond_by": c.respond_by, "badge": c.badge, "callable": c.callable,
        "currency": c.unit_price.currency if c.unit_price else None,
        "unit_price": c.unit_price.amount if c.unit_price else None,
    }  # fmt: skip


def taken(c: Chosen) -> dict[str, Any]:
    """What is taken of a place, and what a unit comes to."""
    return {
        "key": c.source, "quantity": c.quantity, "price_minor": c.price, "freight_minor": c.freight,
        "handling_minor": c.handling, "late_days": c.late_days, "unit_total_minor": c.total,
    }  # fmt: skip


def blocked(c: Candidate) -> dict[str, Any]:
    """Why units of a place cannot be had."""
    return {
        "quantity": sum(b.quantity for b in c.blocked),
        "why": [{"code": b.code, "quantity": b.quantity, "words": b.words} for b in c.blocked],
    }


def holder_key(c: Candidate) -> str | None:
    """What names a holder in a what-if; None where who it is is hidden."""
    return None if c.masked or c.kind == "own_stock" else str(c.holder_id)


class Choice(NamedTuple):
    """What a kept plan orders: so many from a place for a request, at a price a unit, so many days after they are needed."""

    request: UUID
    key: str
    quantity: int
    price: Money
    late_days: int


def choices(shown: Mapping[str, Any]) -> list[Choice]:
    """What confirming a kept plan orders."""
    return [
        Choice(
            UUID(str(r["id"])), c["key"], c["quantity"], Money(Decimal(str(c["unit_price"])), c["currency"]), c["late_days"]
        )
        for r in shown["requests"] for c in r["chosen"]
    ]  # fmt: skip


def asked_alike(shown: Mapping[str, Any], again: Mapping[str, Any]) -> bool:
    """Whether the requests for which a kept plan orders something still ask for what they asked for then. Fewer that are lacking are for
    the orders to be measured against; more matter where a request, or a kit, is wanted whole or not at all."""
    now = {str(r["id"]): r for r in again["requests"]}
    for r in shown["requests"]:
        if not r["chosen"]:
            continue
        one = now.get(str(r["id"]))
        if one is None or any(one[name] != r.get(name) for name in _ASKED):
            return False
        if _moment(one["needed_by"]) != _moment(r["needed_by"]):
            return False
        if (one["complete_only"] or one["kit"]) and one["lacking"] != r["lacking"]:
            return False
    return True


_ASKED = ("part_id", "urgency", "destination", "complete_only", "kit")


def _moment(value: datetime | str) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def without_names(shown: dict[str, Any]) -> dict[str, Any]:
    """A plan that was made by somebody who sees more, for somebody to whom the maker does not name its holders."""

    def rough(line: dict[str, Any]) -> dict[str, Any]:
        # The maker's own that nobody can have may be kept with a partner.
        if line["kind"] == "own_stock" and line["callable"]:
            return line
        region = line.get("region") or ""
        return {
            **line, "holder": roughly(region), "site": region, "distance": "distance not told", "holder_key": None, "lat": None,
            "lon": None, "again": "",
        }  # fmt: skip

    requests = [
        {
            **r, **{name: [rough(x) for x in r[name]] for name in ("chosen", "not_chosen")},
            # Which places have the holder of an order that came to nothing would tell who it is there.
            "not_callable": [
                rough(x) for x in r["not_callable"] if all(w["code"] != "asked_before" for w in x["why"])
            ],
            "next_best": rough(r["next_best"]) if r["next_best"] else None,
        }
        for r in shown["requests"]
    ]  # fmt: skip
    return {**shown, "requests": requests, "masked": True}


def for_reader(shown: dict[str, Any], masked: Collection[UUID]) -> dict[str, Any]:
    """A kept plan as somebody may read it to whom these makers do not name their holders."""
    return without_names(shown) if masked and not shown["masked"] else shown


def rules_with(asked: WhatIf, **changes: Any) -> WhatIf:
    """The same with other rules."""
    return replace(asked, rules=replace(asked.rules, **changes))
