"""Controlled units that a holder moves between its own sites cross a border only with a licence, which is named when they are
moved (section 13.1); the holder, whose move it is, clears them for export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from marketplace.agreements.covered import Covered
from marketplace.agreements.law import Jurisdiction
from marketplace.agreements.phrases import count
from marketplace.agreements.queries import require_place
from marketplace.agreements.terms_v2 import TermsV2
from marketplace.db.session import WriteSession
from marketplace.holdings.proposal import Take
from marketplace.kit.errors import DomainError, conflict, invalid
from marketplace.parties.queries import SiteRow, site


def licence_note(licence: str, note: str | None) -> str | None:
    """The note of a move with the licence that it names. Raises ``licence.number``."""
    number = " ".join(licence.split())
    if not number:
        return note
    if len(number) > 100:
        raise invalid("licence.number", "Give the number of the licence, in at most 100 characters.", field="licence")
    return f"Export licence {number}. {note or ''}".strip()


async def require_lawful(
    session: WriteSession, takes: Sequence[Take], covered: Mapping[UUID, Covered], to: SiteRow, now: datetime
) -> None:
    """A right that was signed for one place does not come to another whose law cuts it short, unless both sides agree on other terms.
    Raises ``law.blocked``."""
    place = Jurisdiction(to.country, to.region or None)
    for known in {
        t.line.place.agreement: covered.get(t.line.place.agreement) for t in takes if t.line.place.agreement
    }.values():
        if known is None:
            continue
        try:
            instead = (
                f"{known.reference} was signed for units elsewhere. Move them to a site elsewhere, or agree with {known.maker} on other "
                "terms before. Nothing was moved."
            )
            require_place(known.clauses, place, now.date(), instead)
        except DomainError:
            # What is there already was looked at when it was signed.
            origins = {t.line.place.site for t in takes if t.line.place.agreement == known.agreement_id}
            here = [await site(session, origin) for origin in origins if origin is not None]
            if not here or any((s.country, s.region) != (to.country, to.region) for s in here):
                raise


async def require_licence(
    session: WriteSession, takes: Sequence[Take], covered: Mapping[UUID, Covered], to: SiteRow, licence: str
) -> None:
    """Raises ``licence.missing`` where controlled units leave the country of their site and no licence is named."""
    if licence.strip():
        return
    for origin in dict.fromkeys(t.line.place.site for t in takes if t.line.place.site is not None):
        bound = [
            (t.quantity, terms)
            for t in takes
            if t.line.place.site == origin and t.line.place.agreement is not None and t.line.place.agreement in covered
            for terms in covered[t.line.place.agreement].clauses
            if isinstance(terms, TermsV2) and terms.export_class is not None
        ]
        if not bound:
            continue
        here = (await site(session, origin)).country
        if here and to.country and here != to.country:
            terms = bound[0][1]
            units = count(sum(n for n, t in bound if t is terms), "unit")
            raise conflict(
                "licence.missing",
                f"{units} of these are controlled ({terms.export_class}) and would leave {here} for {to.country}: that needs an export "
                f"licence ({terms.clause} version {terms.version}, section 13.1). Name its number with the move. Nothing was changed.",
                field="licence",
            )
