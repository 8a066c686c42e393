"""What waits for a person: one list for home and for the bell in the top bar, so that their numbers agree.

Every task leads to a list with exactly as many rows as its number says. One statement for each domain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from marketplace.db.session import ReadSession
from marketplace.holdings import queries as holdings
from marketplace.imports import queries as imports
from marketplace.obligations import queries as obligations
from marketplace.orders import queries as orders
from marketplace.parties.actor import Actor
from marketplace.recalls import queries as recalls
from marketplace.resales import queries as resales
from marketplace.settlement import queries as settlement
from marketplace.sourcing import queries as sourcing
from web.formats import plural


@dataclass(frozen=True, slots=True)
class Task:
    """Something that waits. ``key``: the navigation item it belongs to; ``count`` rows stand behind ``href``."""

    key: str
    count: int
    words: str
    hint: str
    href: str
    icon: str
    urgent: bool = False


async def tasks(session: ReadSession, actor: Actor, now: datetime) -> tuple[Task, ...]:
    """What waits for the actor to do something, the most urgent first; only what the actor may do."""
    found = await _sourcing(session, actor, now)
    if actor.may("order.read"):
        found += await _orders(session, actor, now)
    if actor.may("agreement.sign"):
        under = await obligations.agreements_waiting(session, actor.company_id, now)
        count = under.proposed
        words = plural(count, "change of an agreement is proposed to you", "changes of agreements are proposed to you")
        hint = "Sign it, answer with other terms, or decline before it lapses"
        found.append(Task("agreements", count, words, hint, "/agreements?status=proposed", "message-circle"))
        count = under.finishing
        words = plural(count, "agreement has ended with something open", "agreements have ended with something open")
        hint = "Orders back, replacements, resales or payments; then it can be closed"
        found.append(Task("agreements", count, words, hint, "/agreements?status=finishing", "hourglass"))
    if actor.may("agreement.read"):
        found += await _resales(session, actor)
    if actor.may("settlement.mark"):
        waits = await settlement.waiting(session, actor.company_id)
        for count, one, many, hint, kind in (
            (waits.payments, "payment waits for your word", "payments wait for your word", "The other side says it was paid", "payment"),
            (waits.set_offs, "set-off waits for your word", "set-offs wait for your word", "Nothing is netted until you agree", "set_off"),
            (waits.reversals, "payment is to be taken back", "payments are to be taken back", "It counts until you agree", "reversal"),
        ):  # fmt: skip
            href = f"/settlement/payments?state=waiting&kind={kind}"
            found.append(Task("settlement", count, plural(count, one, many), hint, href, "coin"))
        count = waits.disputes
        words = plural(count, "dispute waits for your answer", "disputes wait for your answer")
        hint = "Agree, propose something else, or say why not"
        found.append(Task("settlement", count, words, hint, "/settlement/disputes?state=waiting", "scale"))
    if actor.may("holding.act") or actor.may("agreement.sign"):
        found += await _holdings(session, actor, now)
    if actor.may("holding.act"):
        count = await recalls.waiting(session, actor.company_id)
        words = plural(
            count, "quality hold or recall waits for your answer", "quality holds or recalls wait for your answer"
        )
        hint = "Set the units aside, then say what you found"
        found.append(Task("holdings", count, words, hint, "/recalls?waits=yes", "hand-stop", urgent=True))
    if actor.may("stock.import"):
        count = await imports.waiting(session, actor.company_id)
        words = plural(count, "stock file differs from the record", "stock files differ from the record")
        hint = "Accept or dismiss each difference; nothing changes before"
        found.append(Task("imports", count, words, hint, "/imports?waiting=differences", "file-import"))
    return tuple(sorted((task for task in found if task.count), key=lambda task: not task.urgent))


def counters(found: tuple[Task, ...]) -> Mapping[str, int]:
    """The numbers for ``Shell.counters``."""
    sums: dict[str, int] = {}
    for task in found:
        sums[task.key] = sums.get(task.key, 0) + task.count
    return sums


async def _orders(session: ReadSession, actor: Actor, now: datetime) -> list[Task]:
    waits, may = await orders.waiting_by(session, actor.company_id, actor.user_id, now), actor.may
    found: list[Task] = []
    if may("quote.answer"):
        words = plural(waits.quotes, "quote waits for your answer", "quotes wait for your answer")
        hint = "Make an offer, accept one, answer it or decline"
        found.append(Task("orders", waits.quotes, words, hint, "/quotes?state=waits", "arrows-exchange"))
    if may("release.write"):
        words = plural(waits.approvals, "posting waits for your approval", "postings wait for your approval")
        hint = "A second person looks at it above your company's limit"
        found.append(Task("releases", waits.approvals, words, hint, "/releases?status=approval", "certificate"))
    if may("order.decide"):
        words = plural(waits.answer, "order waits for your answer", "orders wait for your answer")
        hint = "Accept or decline before the reservation runs out"
        href = "/orders?side=selling&status=placed"
        found.append(Task("orders", waits.answer, words, hint, href, "inbox", urgent=True))
    if may("agreement.sign"):
        count = waits.sign_selling + waits.sign_buying
        words = plural(count, "agreement waits for your signature", "agreements wait for your signature")
        found.append(Task("orders", count, words, "Read and sign", "/orders?status=sign", "certificate"))
    if may("order.ship"):
        words = plural(waits.ship, "order is ready to ship", "orders are ready to ship")
        found.append(Task("orders", waits.ship, words, "Both sides have signed", "/orders?status=ship", "truck"))
    if may("order.receive"):
        words = plural(waits.receive, "delivery is on its way to you", "deliveries are on their way to you")
        href = "/orders?status=receive"
        found.append(Task("orders", waits.receive, words, "Say what arrived, line by line", href, "package-import"))
    if may("order.decide") or may("order.receive"):
        words = plural(waits.settle, "order has something to settle", "orders have something to settle")
        hint = "What differed on receipt, a return, or a wish to cancel the rest"
        found.append(Task("orders", waits.settle, words, hint, "/orders?status=settle", "scale"))
    return found


async def _resales(session: ReadSession, actor: Actor) -> list[Task]:
    waits, may = await resales.waiting(session, actor.company_id), actor.may
    found: list[Task] = []
    if may("agreement.sign"):
        words = plural(waits.consent, "resale waits for your consent", "resales wait for your consent")
        hint = "No answer is no consent"
        found.append(Task("agreements", waits.consent, words, hint, "/resales?waits=consent", "certificate"))
        words = plural(waits.accede, "resale waits for your signature", "resales wait for your signature")
        hint = "Read what you join, then sign"
        found.append(Task("agreements", waits.accede, words, hint, "/resales?waits=accede", "certificate"))
    if may("call.answer"):
        words = plural(waits.ship, "resale is to be shipped", "resales are to be shipped")
        hint = "The buyer has signed; the units are reserved"
        found.append(Task("agreements", waits.ship, words, hint, "/resales?waits=ship", "truck"))
    if may("order.receive"):
        words = plural(waits.receive, "resale is on its way to you", "resales are on their way to you")
        hint = "Say what has arrived"
        found.append(Task("agreements", waits.receive, words, hint, "/resales?waits=receive", "package-import"))
    return found


async def _holdings(session: ReadSession, actor: Actor, now: datetime) -> list[Task]:
    to_count, explain, conclude = await holdings.waiting(session, actor, now)
    found: list[Task] = []
    if actor.may("holding.act"):
        words = plural(to_count, "place waits for a count", "places wait for a count")
        hint = "Units were said not to be on the shelf: nobody can be promised them until you count"
        found.append(Task("holdings", to_count, words, hint, "/holdings?waiting=count", "checklist"))
    if actor.may("holding.act") and actor.may("agreement.read"):
        words = plural(explain, "count found units missing", "counts found units missing")
        hint = "Count again, or say what became of them before the time for it runs out"
        found.append(Task("holdings", explain, words, hint, "/holdings/shortages?waits=explain", "alert-triangle"))
    if actor.may("agreement.sign"):
        words = plural(conclude, "shortage may be concluded", "shortages may be concluded")
        hint = "Nobody has said where the units are, and the time for it has run out"
        found.append(Task("agreements", conclude, words, hint, "/holdings/shortages?waits=conclude", "alert-triangle"))
    return found


async def _sourcing(session: ReadSession, actor: Actor, now: datetime) -> list[Task]:
    waits, may = await sourcing.waiting(session, actor, now), actor.may
    found: list[Task] = []
    if may("call.answer"):
        words = plural(waits.answer, "order to give units back waits for you", "orders to give units back wait for you")
        hint = "Commit, or refuse with a reason, before the time runs out"
        found.append(Task("calls", waits.answer, words, hint, "/calls?side=holder", "inbox", urgent=True))
        words = plural(waits.ship, "committed order is to be shipped", "committed orders are to be shipped")
        hint = "The units are reserved; ship them by the date you committed to"
        found.append(
            Task("calls", waits.ship, words, hint, "/calls?side=holder&status=committed", "truck", urgent=True)
        )
        words = plural(waits.in_default, "order is in default", "orders are in default")
        hint = "Ship the units before they are bought elsewhere, or the agreement is ended"
        found.append(
            Task("calls", waits.in_default, words, hint, "/calls?side=holder&status=in_default", "truck", urgent=True)
        )
        words = plural(waits.release, "order is asked to be cancelled", "orders are asked to be cancelled")
        hint = "You are bound to it: agree that it ends, or ship the units"
        found.append(Task("calls", waits.release, words, hint, "/calls?side=holder&status=release", "message"))
    if may("order.receive"):
        words = plural(waits.replaced, "replacement is on its way to you", "replacements are on their way to you")
        href = "/calls?side=holder&status=replacing"
        found.append(Task("calls", waits.replaced, words, "Say when it has arrived", href, "package-import"))
    if may("order.receive"):
        words = plural(
            waits.back, "rejected order is on its way back to you", "rejected orders are on their way back to you"
        )
        hint = "Say when the units have arrived"
        found.append(Task("calls", waits.back, words, hint, "/calls?side=holder&status=back", "package-import"))
    if may("order.ship"):
        words = plural(waits.replace, "draw is to be replaced", "draws are to be replaced")
        hint = "Send equal units in time, or those that were drawn are bought"
        found.append(Task("calls", waits.replace, words, hint, "/calls?side=maker&status=replace", "truck-return"))
    if may("sourcing.approve"):
        words = plural(waits.approve, "parts request waits for approval", "parts requests wait for approval")
        hint = "The units are reserved for 30 minutes"
        found.append(
            Task("requests", waits.approve, words, hint, "/requests?status=approval", "certificate", urgent=True)
        )
    if may("sourcing.request"):
        words = plural(waits.not_shipped, "order was not shipped in time", "orders were not shipped in time")
        hint = "Wait for the units, buy elsewhere and record it, or end the agreement for breach"
        href = "/calls?side=ours&status=in_default"
        found.append(Task("requests", waits.not_shipped, words, hint, href, "alert-triangle", urgent=True))
        words = plural(waits.direct, "holder sells units back to you", "holders sell units back to you")
        hint = "Say where they go before the time for it runs out"
        found.append(Task("calls", waits.direct, words, hint, "/calls?side=maker&status=direct", "truck-return"))
        words = plural(waits.short, "request needs another source", "requests need another source")
        hint = "An order back was refused or lapsed, and what is ordered is not enough"
        found.append(
            Task("requests", waits.short, words, hint, "/requests?status=short", "alert-triangle", urgent=True)
        )
    if may("call.receive"):
        words = plural(waits.receive, "consignment is coming back to you", "consignments are coming back to you")
        href = "/calls?side=ours&status=shipped"
        found.append(Task("requests", waits.receive, words, "Say what has arrived, and when", href, "truck-return"))
        words = plural(waits.inspect, "consignment is to be inspected", "consignments are to be inspected")
        href = "/calls?side=ours&status=inspect"
        found.append(Task("requests", waits.inspect, words, "Only then do the units become yours", href, "checklist"))
    return found
