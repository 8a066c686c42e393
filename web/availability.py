"""The availability page's question (how urgent, where to, narrowed by what, seen from where) and what of the answer is on which page
and on the map."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from marketplace.agreements.prose import NAMES as CLAUSE_NAMES
from marketplace.db.session import ReadSession
from marketplace.kit.clock import end_of_day, local_day
from marketplace.kit.errors import DomainError, invalid
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parts import queries as parts
from marketplace.parts.numbers import Asked, parse_list
from marketplace.sourcing import queries
from marketplace.sourcing.candidates import Candidate
from marketplace.sourcing.facets import REASON_WORDS, UNNAMED, Facets, Filters
from marketplace.sourcing.freight import Point, near_text
from marketplace.sourcing.queries import LookedUp, NumberPlaces, PartPlaces
from marketplace.sourcing.schemas.places import FACET_WORDS, choice_words
from web.session import uuid_of

URGENCIES: Final = (
    ("machine_down", "Machine down", "Holders answer within hours."),
    ("urgent", "Urgent", "Needed within days."),
    ("stock_order", "Stock order", "Fill the shelf at the lowest cost."),
)
USUAL_DAYS: Final[Mapping[str, int]] = {"machine_down": 1, "urgent": 5, "stock_order": 30}
"""How soon a part is needed where nobody said: what stands in the empty field."""
PLACES_SHOWN: Final = 20
"""Places of one part on a page; the others of a number that was asked alone are on the next ones."""
MANY: Final = 25
"""From so many numbers on, places that cannot be called are only counted."""


ANY: Final = Filters()


@dataclass(frozen=True, slots=True)
class Need:
    """What the page is asked: how urgent, where to, by when."""

    urgency: str
    site: parties.SiteRow | None
    needed_by: datetime
    needed_on: date
    notice: UUID | None = None
    """The holder's notice that an order would answer."""
    filters: Filters = ANY
    near: Point | None = None
    """Where the person is, that distance and order count from."""


@dataclass(frozen=True, slots=True)
class Turned:
    """Which page of one part's places is shown: from which one on, of those with units to be had and of the others."""

    part_id: UUID | None = None
    ready: int = 0
    blocked: int = 0

    def ready_from(self, p: PartPlaces) -> int:
        """Where the page of the places where units can be had begins."""
        return _from(self.ready if p.part.id == self.part_id else 0, len(p.all_ready))

    def blocked_from(self, p: PartPlaces) -> int:
        """Where the page of the other places begins."""
        return _from(self.blocked if p.part.id == self.part_id else 0, len(p.all_blocked))

    def ready_on(self, p: PartPlaces) -> tuple[Candidate, ...]:
        """The places on this page where units can be had."""
        return p.all_ready[self.ready_from(p) : self.ready_from(p) + PLACES_SHOWN]

    def blocked_on(self, p: PartPlaces) -> tuple[Candidate, ...]:
        """The places on this page where none can."""
        return p.all_blocked[self.blocked_from(p) : self.blocked_from(p) + PLACES_SHOWN]


FIRST_PAGE: Final = Turned()


def own_sites_first(sites: Sequence[parties.SiteRow], home: UUID | None) -> list[parties.SiteRow]:
    """The sites with the person's own first."""
    return sorted(sites, key=lambda site: site.id != home)


_CHOICES: Final[Mapping[str, Collection[str]]] = {
    "source": ("own", "partners"), "callable": ("now", "not"), "reason": REASON_WORDS, "condition": CONDITION_WORDS,
    "clause": CLAUSE_NAMES,
}  # fmt: skip
LEAST_CHOICES: Final = 2
FILTERS: Final = tuple(f.name for f in fields(Filters))


def filters_in(given: Mapping[str, str]) -> Filters:
    """The filters in an address; what cannot be a value of one is left out."""
    found: dict[str, Any] = {name: given[name][:120] for name in FILTERS if given.get(name)}
    for name, known in _CHOICES.items():
        if found.get(name) not in known:
            found.pop(name, None)
    if found.get("holder") not in (None, UNNAMED):
        holder = uuid_of(found["holder"])
        found["holder"] = str(holder) if holder else None
    days = found.get("within_days", "")
    found["within_days"] = int(days) if days.isascii() and days.isdecimal() and len(days) < 5 else None
    return Filters(**found)


async def need_of(
    session: ReadSession, actor: Actor, given: Mapping[str, str], home: parties.SiteRow | None, zone: str, now: datetime
) -> Need:
    """The need in an address; what is missing or unknown is the usual. Raises ``near.invalid``."""
    urgency = given.get("urgency", "")
    if urgency not in USUAL_DAYS:
        urgency = "urgent"
    site = home
    try:
        if given.get("site"):
            site = await parties.own_site(session, actor, UUID(given["site"]))
    except (ValueError, DomainError):
        site = home
    usual = local_day(now, zone) + timedelta(days=USUAL_DAYS[urgency])
    try:
        day = date.fromisoformat(given.get("needed_by", ""))
    except ValueError:
        day = usual
    if day < local_day(now, zone):
        day = usual
    near = near_text(given["near"]) if given.get("near") else None
    return Need(urgency, site, end_of_day(day, zone), day, uuid_of(given.get("notice", "")), filters_in(given), near)


async def look(
    session: ReadSession,
    actor: Actor,
    asked: Sequence[Asked],
    need: Need,
    now: datetime,
    *,
    in_full: bool = False,
    alone: bool | None = None,
) -> LookedUp:
    """The places of every number, as the API answers them too. Raises ``sourcing.nothing``."""
    _, destination = await queries.destination_of(session, actor, need.site.id if need.site else None)
    return await queries.look_up(
        session, actor, asked, destination=destination, urgency=need.urgency, now=now, filters=need.filters, near=need.near,
        notice=need.notice, in_full=in_full, alone=alone,
    )  # fmt: skip


def _from(wanted: int, there: int) -> int:
    """Where the page begins that holds the wanted place; the last page where there are fewer by now."""
    return min(wanted, max(there - 1, 0)) // PLACES_SHOWN * PLACES_SHOWN


async def numbers_in(session: ReadSession, text: str) -> tuple[Asked, ...]:
    """The numbers in what somebody typed, also several known ones on one line. Raises ``parts.too_many``, ``parts.too_long``, ``requests.empty``."""
    asked = parse_list(text)
    if not asked:
        raise invalid("requests.empty", "Type a part number or a serial.", field="q")
    return await parts.told_apart(session, asked)


async def candidate(
    session: ReadSession, actor: Actor, part_id: UUID, key: str, need: Need, now: datetime
) -> tuple[Candidate | None, parts.PartRow, Candidate | None]:
    """One place of a part as it stands now, None when it has nothing to show any more; the part; and the own stock of it
    that would be there first, where there is any."""
    _, destination = await queries.destination_of(session, actor, need.site.id if need.site else None)
    located = await queries.locate(
        session,
        actor,
        [part_id],
        destination=destination,
        urgency=need.urgency,
        now=now,
        with_related=False,
        notice=need.notice,
    )
    if part_id not in located.catalogue:
        await parts.part(session, part_id)
    found = next((c for c in located.candidates[part_id] if c.key == key), None)
    # The first of those that can be had is own stock wherever there is any, by arrival.
    first = next((c for c in located.candidates[part_id] if c.kind == "own_stock" and c.callable), None)
    return found, located.catalogue[part_id], first


def geojson(answers: Sequence[NumberPlaces]) -> dict[str, Any]:
    """A FeatureCollection of all places that were looked at and may be shown: a masked holder has no coordinates, so it has no
    pin."""
    features: dict[tuple[float, float], dict[str, Any]] = {}
    for answer in answers:
        for found in answer.found:
            for c in found.places:
                if c.masked or c.point.lat is None or c.point.lon is None:
                    continue
                words = f"{found.part.number}: " + (
                    f"{c.callable} can be ordered" if c.callable else f"{c.quantity} there, not callable now"
                )
                key = (c.point.lon, c.point.lat)
                if key in features:
                    known = features[key]["properties"]
                    if known["text"].count("; ") < 4:
                        known["text"] += f"; {words}"
                    continue
                features[key] = {
                    "type": "Feature",
                    "geometry": {"type": "Point", "coordinates": [c.point.lon, c.point.lat]},
                    "properties": {"title": f"{c.holder}, {c.site}", "text": words, "row": f"c-{c.key}"},
                }
    return {"type": "FeatureCollection", "features": list(features.values())}


@dataclass(frozen=True, slots=True)
class Narrowing:
    """One filter of the page: its choices with how many places each leaves, what is chosen, what is not told."""

    name: str
    words: str
    chosen: str
    choices: tuple[tuple[str, str], ...]
    more: int

    @property
    def chip(self) -> str:
        """What is chosen, in words."""
        value = dict(self.choices).get(self.chosen, self.chosen).rpartition(" (")[0]
        return f"{self.words}: {value}"


def narrowings(facets: Facets, filters: Filters) -> list[Narrowing]:
    """The filters that leave a choice, and those in force."""
    found = []
    for facet in facets.facets:
        value = getattr(filters, facet.name)
        if len(facet.choices) < LEAST_CHOICES and value is None:
            continue
        told = [(c.value, f"{choice_words(facet.name, c.value, c.label)} ({c.places:,})") for c in facet.choices]
        chosen = "" if value is None else str(value)
        found.append(Narrowing(facet.name, FACET_WORDS[facet.name], chosen, tuple(told), facet.more))
    return found
