"""From written numbers to places on the availability page: which part, by which step, where units are, in what order
somebody with a stopped machine wants to read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from marketplace.db.session import ReadSession
from marketplace.kit.clock import end_of_day, local_day
from marketplace.kit.errors import DomainError, invalid
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parts import queries as parts
from marketplace.parts.numbers import Asked, Match, parse_list
from marketplace.sourcing import queries
from marketplace.sourcing.candidates import Candidate
from web.found import STEP_WORDS, relation_words
from web.session import uuid_of

URGENCIES: Final = (
    ("machine_down", "Machine down", "Holders answer within hours."),
    ("urgent", "Urgent", "Needed within days."),
    ("stock_order", "Stock order", "Fill the shelf at the lowest cost."),
)
USUAL_DAYS: Final[Mapping[str, int]] = {"machine_down": 1, "urgent": 5, "stock_order": 30}
"""How soon a part is needed where nobody said: what stands in the empty field."""
KINDS: Final = {
    "buy_back": "Buy-back order",
    "access_draw": "Access draw",
    "own_stock": "Pick request",
    "put": "Sale back",
}
PLACES_SHOWN: Final = 20
"""Places of one part on a page; the others of a number that was asked alone are on the next ones."""
LOOKED_AT: Final = 50
"""Places looked at of one part where several numbers are asked at once."""
MANY: Final = 25
"""From so many numbers on, places that cannot be called are only counted."""


@dataclass(frozen=True, slots=True)
class Need:
    """What the page is asked: how urgent, where to, by when."""

    urgency: str
    site: parties.SiteRow | None
    needed_by: datetime
    needed_on: date
    notice: UUID | None = None
    """The holder's notice that an order would answer."""


@dataclass(frozen=True, slots=True)
class PartPlaces:
    """A part and its places. ``all_ready``: where units can be had now, own stock first, then by arrival;
    ``all_blocked``: places where none can, each with the reason; ``farther``: how many places were not looked at.
    The page shows those from ``ready_from`` and ``blocked_from`` on."""

    part: parts.PartRow
    through: str | None
    relation: str | None
    all_ready: tuple[Candidate, ...]
    all_blocked: tuple[Candidate, ...]
    farther: int
    ready_from: int = 0
    blocked_from: int = 0

    @property
    def ready(self) -> tuple[Candidate, ...]:
        """The places on this page where units can be had."""
        return self.all_ready[self.ready_from : self.ready_from + PLACES_SHOWN]

    @property
    def blocked(self) -> tuple[Candidate, ...]:
        """The places on this page where none can."""
        return self.all_blocked[self.blocked_from : self.blocked_from + PLACES_SHOWN]

    @property
    def callable(self) -> int:
        """How many units can be had from all the places, rights that span several counted once."""
        by_group: dict[str, int] = {}
        for c in self.all_ready:
            by_group[c.group] = min(by_group.get(c.group, 0) + c.callable, c.group_cap)
        return sum(by_group.values())

    @property
    def stuck(self) -> int:
        """How many units there are beside those that can be called now."""
        return sum(c.quantity for c in (*self.all_ready, *self.all_blocked)) - self.callable

    @property
    def units_blocked(self) -> int:
        """How many units are at the places where none can be had."""
        return sum(c.quantity for c in self.all_blocked)


@dataclass(frozen=True, slots=True)
class Turned:
    """Which page of one part's places is shown: from which one on, of those with units to be had and of the others."""

    part_id: UUID | None = None
    ready: int = 0
    blocked: int = 0


FIRST_PAGE: Final = Turned()


@dataclass(frozen=True, slots=True)
class NumberPlaces:
    """What one number led to."""

    asked: Asked
    step: Match | None
    found: tuple[PartPlaces, ...]
    more: bool

    @property
    def words(self) -> str:
        """How it was found, in words."""
        return STEP_WORDS[self.step] if self.step else "not found"


def own_sites_first(sites: Sequence[parties.SiteRow], home: UUID | None) -> list[parties.SiteRow]:
    """The sites with the person's own first."""
    return sorted(sites, key=lambda site: site.id != home)


async def need_of(
    session: ReadSession, actor: Actor, given: Mapping[str, str], home: parties.SiteRow | None, zone: str, now: datetime
) -> Need:
    """The need in an address; what is missing or unknown is the usual."""
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
    return Need(urgency, site, end_of_day(day, zone), day, uuid_of(given.get("notice", "")))


async def look(
    session: ReadSession,
    actor: Actor,
    asked: Sequence[Asked],
    need: Need,
    now: datetime,
    *,
    in_full: bool = False,
    turned: Turned = FIRST_PAGE,
) -> tuple[NumberPlaces, ...]:
    """The places of every number, in the order asked; a constant number of statements. All places are looked at of a
    number alone or ``in_full``, else the nearest. Raises ``sourcing.nothing``."""
    found = await parts.find(session, asked)
    hit = list(dict.fromkeys(h.part_id for hits in found.hits.values() for h in hits))
    _, destination = await queries.destination_of(session, actor, need.site.id if need.site else None)
    located = await queries.locate(
        session, actor, hit, destination=destination, urgency=need.urgency, now=now, explain=False,
        most=None if in_full or len(asked) == 1 else LOOKED_AT, notice=need.notice,
    )  # fmt: skip
    beside: dict[UUID, list[parts.Related]] = {}
    for r in located.related:
        beside.setdefault(r.part_id, []).append(r)
    answers = []
    for a in asked:
        hits = found.hits.get(a.norm, ())
        shown: dict[UUID, PartPlaces] = {}
        for h in hits:
            part = located.catalogue[h.part_id]
            through = h.through if h.through != part.number and h.step is Match.EXACT else None
            shown[h.part_id] = _places(located, part, through, None, turned)
        # What replaces a part is followed only from numbers that are certain.
        for h in hits if hits and hits[0].step is Match.EXACT else ():
            for r in beside.get(h.part_id, ()):
                places = _places(
                    located, located.catalogue[r.other_id], None,
                    relation_words(r, located.catalogue[h.part_id].number, now.date()), turned,
                )  # fmt: skip
                if r.other_id not in shown and (places.all_ready or places.all_blocked):
                    shown[r.other_id] = places
        every = list(shown.values())
        if hits and hits[0].step is not Match.EXACT:
            every.sort(key=lambda p: not p.all_ready)
        answers.append(NumberPlaces(a, hits[0].step if hits else None, tuple(every), a.norm in found.more))
    return tuple(answers)


def _places(
    located: queries.Located, part: parts.PartRow, through: str | None, relation: str | None, turned: Turned
) -> PartPlaces:
    every = located.candidates[part.id]
    ready = tuple(c for c in every if c.callable > 0)
    blocked = tuple(c for c in every if c.callable <= 0)
    at = turned if turned.part_id == part.id else FIRST_PAGE
    return PartPlaces(
        part, through, relation, ready, blocked, located.farther.get(part.id, 0), _from(at.ready, len(ready)),
        _from(at.blocked, len(blocked)),
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
    """A FeatureCollection of the places that may be shown, all of a number that was asked alone and of several those on
    the page: a masked holder has no coordinates, so it has no pin."""
    features: dict[tuple[float, float], dict[str, Any]] = {}
    alone = len(answers) == 1
    for answer in answers:
        for found in answer.found:
            for c in (*found.all_ready, *found.all_blocked) if alone else (*found.ready, *found.blocked):
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


CSV_HEADER: Final = (
    "Asked for", "Found by", "Part number", "Description", "Relation", "Holder", "Place", "Kind", "Condition", "There",
    "Can be ordered", "Price", "Currency", "Respond by", "Arrives", "Distance", "Clause", "Counted", "Not callable because",
)  # fmt: skip


def csv_rows(answers: Sequence[NumberPlaces]) -> list[list[object]]:
    """One row for each place, as ``CSV_HEADER`` says; a number without any has a row that says so."""
    rows: list[list[object]] = []
    for answer in answers:
        start: list[object] = [answer.asked.written, answer.words]
        if not answer.found:
            rows.append([*start, *[""] * (len(CSV_HEADER) - 2)])
        for found in answer.found:
            part: list[object] = [*start, found.part.number, found.part.description, found.relation or ""]
            every = (*found.all_ready, *found.all_blocked)
            if not every:
                rows.append([*part, *[""] * (len(CSV_HEADER) - 5)])
            rows += [[*part, *_csv_place(c)] for c in every]
    return rows


def _csv_place(c: Candidate) -> list[object]:
    return [
        c.holder, c.site, KINDS[c.kind], CONDITION_WORDS[c.condition], c.quantity, c.callable,
        "" if c.unit_price is None else c.unit_price.plain,
        "" if c.unit_price is None else c.unit_price.currency, _iso(c.respond_by), _iso(c.arrives), c.distance_words,
        c.badge_sentence, _iso(c.counted_at), " ".join(b.words for b in c.blocked),
    ]  # fmt: skip


def _iso(moment: datetime | None) -> str:
    return moment.isoformat(timespec="minutes") if moment else ""
