"""Closing a site: here, because only the topmost domain knows everything that may still come to a site or lie there."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marketplace.agreements import phrases
from marketplace.db.session import WriteSession
from marketplace.holdings import queries as holdings
from marketplace.kit.errors import conflict
from marketplace.orders import queries as orders
from marketplace.parties import queries as parties
from marketplace.parties import service as party_service
from marketplace.parties.actor import Actor
from marketplace.sourcing import queries


async def close_site(session: WriteSession, actor: Actor, site_id: UUID, now: datetime) -> None:
    """Closes a site of the actor's company: nothing can be sent there any more; its history stays.

    The site's row is locked first; whoever sends something to it shares that lock. Raises ``site.not_found`` and
    ``site.in_use`` with what is still there or on its way.
    """
    site = await parties.site_for_update(session, actor, site_id)
    # What is to come is read before what lies there: a delivery received in between is then seen as units.
    coming = await orders.open_to(session, actor.company_id, site_id)
    wanted = await queries.open_to(session, actor.company_id, site_id)
    sold_back = await queries.sold_back_to(session, actor.company_id, site_id)
    units = await holdings.units_at(session, actor.company_id, site_id)
    uses = [
        f"{phrases.count(count, what)} {words}"
        for count, what, words in (
            (units, "unit", "on record there (move, use or count them first)"),
            (coming, "order", "to be delivered there (receive or cancel first)"),
            (wanted, "parts request", "for it (finish or cancel first)"),
            (
                sold_back,
                "order",
                "by which units are sold back to it or sent in place of rejected ones (say another site, or receive first)",
            ),
        )
        if count
    ]
    if uses:
        raise conflict("site.in_use", f"{site.name} cannot be closed yet: {'; '.join(uses)}.")
    await party_service.close_site(session, site_id, now)
