"""A plan over many requests as its page shows it: moments and money typed, who gives what, and what another one changes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from marketplace.kit.canonical import encode
from marketplace.kit.money import Money, minor_digits
from web.formats import plural

_MOMENTS: Final = ("made_at", "needed_by", "arrives", "respond_by")
_MINOR: Final = ("total_minor", "price_minor", "freight_minor", "handling_minor", "unit_total_minor", "more_minor")


@dataclass(frozen=True, slots=True)
class Giver:
    """What one holder gives in a plan."""

    holder: str
    own: bool
    orders: int
    units: int
    cost: Money
    last: datetime | None
    late: int


@dataclass(frozen=True, slots=True)
class Change:
    """A request that another plan serves differently, in words."""

    reference: str
    part_number: str
    before: str
    after: str
    tone: str


def typed(shown: Mapping[str, Any]) -> dict[str, Any]:
    """The plan with moments as moments and each amount also as money, under its name without '_minor'."""
    plan: dict[str, Any] = json.loads(encode(dict(shown)))
    currency = plan["currency"]

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(v) for v in value]
        if not isinstance(value, dict):
            return value
        found = {k: walk(v) for k, v in value.items()}
        for name in _MOMENTS:
            if isinstance(found.get(name), str):
                found[name] = datetime.fromisoformat(found[name])
        for name in _MINOR:
            if isinstance(found.get(name), int):
                found[name.removesuffix("_minor")] = minor(found[name], currency)
        return found

    typed_plan: dict[str, Any] = walk(plan)
    return typed_plan


def minor(amount: int, currency: str) -> Money:
    """An amount in minor units as money."""
    return Money(Decimal(amount).scaleb(-minor_digits(currency)), currency)


def givers(plan: Mapping[str, Any]) -> list[Giver]:
    """By holder what the plan takes, own stock first, then the most units first."""
    found: dict[tuple[bool, str], list[dict[str, Any]]] = {}
    for r in plan["requests"]:
        for c in r["chosen"]:
            own = c["kind"] == "own_stock"
            found.setdefault((own, "Own stock" if own else c["holder"]), []).append(c)
    rows = [
        Giver(
            holder, own, len(some), sum(c["quantity"] for c in some),
            minor(sum(c["quantity"] * c["unit_total_minor"] for c in some), plan["currency"]),
            max((c["arrives"] for c in some if c["arrives"]), default=None), sum(1 for c in some if c["late_days"]),
        )
        for (own, holder), some in found.items()
    ]  # fmt: skip
    return sorted(rows, key=lambda g: (not g.own, -g.units, g.holder))


def pins(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The places that the plan takes units from, as points of a map; those that are hidden from the reader, and those of plans that
    were kept before places were, have none."""
    found: dict[tuple[str, str, str, str], list[dict[str, Any]]] = {}
    for r in plan["requests"]:
        for c in r["chosen"]:
            if c.get("lat") and c.get("lon"):
                who = "Own stock" if c["kind"] == "own_stock" else c["holder"]
                found.setdefault((who, c["site"], c["lat"], c["lon"]), []).append(c)
    return [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [float(lon), float(lat)]},
            "properties": {
                "title": f"{who}, {site}",
                "text": f"{plural(sum(c['quantity'] for c in some), 'unit')} in {plural(len(some), 'order')}",
            },
        }
        for (who, site, lat, lon), some in found.items()
    ]


def served(r: Mapping[str, Any]) -> str:
    """From whom a request is served, in one line."""
    found: dict[tuple[str, int], int] = {}
    for c in r["chosen"]:
        key = ("own stock" if c["kind"] == "own_stock" else c["holder"], c["late_days"])
        found[key] = found.get(key, 0) + c["quantity"]
    parts = [
        f"{n:,} from {who}" + (f", {days} {'day' if days == 1 else 'days'} late" if days else "")
        for (who, days), n in sorted(found.items())
    ]
    if r["unmet"]:
        parts.append(f"{r['unmet']:,} unmet")
    return "; ".join(parts) or "nothing"


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """The requests that the second plan serves differently than the first."""
    old = {r["id"]: r for r in before["requests"]}
    found = []
    for r in after["requests"]:
        was = old.get(r["id"])
        if was is None or served(was) == served(r):
            continue
        worse = r["unmet"] > was["unmet"] or _late(r) > _late(was)
        better = r["unmet"] < was["unmet"] or _late(r) < _late(was)
        tone = "warn" if worse else "good" if better else "neutral"
        found.append(Change(r["reference"], r["part_number"], served(was), served(r), tone))
    gone = [o for i, o in old.items() if i not in {r["id"] for r in after["requests"]}]
    found += [
        Change(o["reference"], o["part_number"], served(o), "no longer lacking anything", "neutral") for o in gone
    ]
    return found


def _late(r: Mapping[str, Any]) -> int:
    return max((int(c["late_days"]) for c in r["chosen"]), default=0)


def compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What the second plan costs more or less, brings later, leaves unmet: one sentence each."""
    more = after["total_minor"] - before["total_minor"]
    words = []
    if more:
        words.append(f"It costs {minor(abs(more), after['currency'])} {'more' if more > 0 else 'less'}.")
    else:
        words.append("It costs the same.")
    for name, one, many in (("unmet", "unit", "units"), ("late", "request", "requests")):
        step = after[name] - before[name]
        if step:
            what = "unmet" if name == "unmet" else "late"
            words.append(f"{abs(step):,} {'more' if step > 0 else 'fewer'} {one if abs(step) == 1 else many} {what}.")
    last = [
        max((c["arrives"] for r in p["requests"] for c in r["chosen"] if c["arrives"]), default=None)
        for p in (before, after)
    ]
    if last[0] and last[1] and (days := (last[1].date() - last[0].date()).days):
        words.append(
            f"The last unit comes {abs(days)} {'day' if abs(days) == 1 else 'days'} {'later' if days > 0 else 'sooner'}."
        )
    return words


def policy(rules: Mapping[str, Any], currency: str, holders: Mapping[str, str]) -> Sequence[str]:
    """The rules of a plan, one sentence each."""
    words = [
        "Own stock first, where it comes in time."
        if rules["first"] == "own"
        else "The pool first, where it comes in time; own stock is kept."
    ]
    words.append(
        "Equal offers are spread over holders."
        if rules["ties"] == "spread"
        else "Equal offers are taken from as few holders as possible."
    )
    if rules["holder_orders"] is not None:
        words.append(f"At most {rules['holder_orders']:,} orders to one holder.")
    if rules["holder_units"] is not None:
        words.append(f"At most {rules['holder_units']:,} units from one holder.")
    if rules["holder_money"] is not None:
        words.append(f"At most {minor(rules['holder_money'], currency)} to one holder.")
    if rules["budget"] is not None:
        words.append(f"At most {minor(rules['budget'], currency)} in all.")
    if rules["shift_days"]:
        days = abs(rules["shift_days"])
        words.append(
            f"As if everything were needed {days:,} {'day' if days == 1 else 'days'} {'later' if rules['shift_days'] > 0 else 'sooner'}."
        )
    words += [f"Without {holders.get(h, 'a holder')}." for h in rules["without"]]
    return words


def holders_of(*plans: Mapping[str, Any]) -> dict[str, str]:
    """By key the holders that plans name, for leaving one out."""
    found = {
        c["holder_key"]: c["holder"]
        for p in plans for r in p["requests"] for c in (*r["chosen"], *r["not_chosen"], *([r["next_best"]] if r["next_best"] else []))
        if c["holder_key"]
    }  # fmt: skip
    return dict(sorted(found.items(), key=lambda x: x[1]))
