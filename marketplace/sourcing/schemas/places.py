"""Where units are on the wire: what is asked, the places of each number, what they can be narrowed by, and the rows of the file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from marketplace.agreements.prose import NAMES as CLAUSE_NAMES
from marketplace.kit.errors import invalid
from marketplace.kit.wire import BodyIn
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.sourcing.candidates import Candidate
from marketplace.sourcing.facets import REASON_WORDS, UNNAMED, Facet, Facets, Filters
from marketplace.sourcing.freight import Point, near_point
from marketplace.sourcing.queries import NumberPlaces, PartPlaces
from marketplace.sourcing.schemas.calls import CandidateOut, Urgency

KIND_WORDS: Final = {
    "buy_back": "Buy-back order",
    "access_draw": "Access draw",
    "own_stock": "Pick request",
    "put": "Sale back",
}
FACET_WORDS: Final = {
    "source": "Whose", "callable": "Can be ordered", "reason": "Why not", "country": "Country", "region": "Region",
    "holder": "Holder", "condition": "Condition", "clause": "Clause", "within_days": "There within",
}  # fmt: skip
_CHOICE_WORDS: Final = {
    "source": {"own": "Own stock", "partners": "Held by partners"},
    "callable": {"now": "Now", "not": "Not now"},
    "reason": REASON_WORDS,
    "condition": CONDITION_WORDS,
    "clause": {name: words.capitalize() for name, words in CLAUSE_NAMES.items()},
    "holder": {UNNAMED: "Named once the order is sent"},
}


def choice_words(facet: str, value: str, label: str | None) -> str:
    """What a choice is called."""
    if facet == "within_days":
        return f"{value} day{'s' * (value != '1')}"
    return label or _CHOICE_WORDS.get(facet, {}).get(value, value)


class NearIn(BodyIn):
    """Where you are, in degrees (WGS 84). It goes with this one request and is kept nowhere."""

    lat: float = Field(examples=[32.78])
    lon: float = Field(examples=[-96.8])


class FiltersIn(BodyIn):
    """What places have to be like; what is left out may be anything."""

    source: Literal["own", "partners"] | None = None
    callable: Literal["now", "not"] | None = Field(
        default=None, description="Whether any unit there can be ordered now."
    )
    reason: str | None = Field(
        default=None,
        max_length=40,
        description=f"Units there cannot be ordered for this reason: {', '.join(REASON_WORDS)}.",
    )
    country: str | None = Field(default=None, max_length=2, examples=["US"])
    region: str | None = Field(default=None, max_length=120, examples=["TX"])
    holder: UUID | Literal["unnamed"] | None = Field(
        default=None, description="A company, or all places whose holder is named only once an order is sent."
    )
    condition: str | None = Field(default=None, max_length=40, description=", ".join(CONDITION_WORDS))
    clause: str | None = Field(default=None, max_length=40, description=", ".join(CLAUSE_NAMES))
    within_days: int | None = Field(default=None, ge=0, le=3650, description="Units can be there within so many days.")

    def filters(self) -> Filters:
        """As the search takes them. Raises ``filter.unknown``."""
        for name, known in (("reason", REASON_WORDS), ("condition", CONDITION_WORDS), ("clause", CLAUSE_NAMES)):
            value = getattr(self, name)
            if value is not None and value not in known:
                raise invalid(
                    "filter.unknown", f"'{value}' is not a value of the filter '{name}'. Use one of: {', '.join(known)}.",
                    field=f"filters.{name}",
                )  # fmt: skip
        given = self.model_dump()
        return Filters(**{**given, "holder": str(self.holder) if self.holder else None})


class LocateIn(BodyIn):
    """Where are units of these numbers, seen from a site of yours, this urgently?"""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"numbers": "2815-01-234-5678", "urgency": "machine_down"},
                {
                    "numbers": "2815-01-234-5678\n5330-00-111-2222",
                    "near": {"lat": 32.78, "lon": -96.8},
                    "filters": {"callable": "now", "within_days": 3},
                },
            ]
        }
    )
    numbers: str = Field(max_length=60_000, examples=["2815-01-234-5678"])
    site_id: UUID | None = Field(default=None, description="Where the units are needed; your own site if left out.")
    urgency: Urgency = "urgent"
    notice_id: UUID | None = Field(
        default=None, description="As an order that answers this notice of a holder would find them, where several run."
    )
    explain: bool = Field(
        default=False,
        description="With the clause's sentences for every place that can give units. Why a place cannot is always told.",
    )
    near: NearIn | None = Field(
        default=None,
        description="Distance and order of the places count from here, the nearest first; arrival goes on being told for the site.",
    )
    filters: FiltersIn = Field(default_factory=FiltersIn)

    def near_point(self) -> Point | None:
        """Raises ``near.invalid``."""
        return None if self.near is None else near_point(self.near.lat, self.near.lon)


@dataclass(slots=True)
class LocatedPart:
    """A part that was found for a number, with its places."""

    part_id: UUID
    number: str
    description: str
    uom: str
    relation: Annotated[
        str | None, Field(description="superseded_by, supersedes, alternate; null for the part itself.")
    ]
    relation_words: Annotated[str | None, Field(description="The same in words, with dates and how long the chain is.")]
    through: Annotated[str | None, Field(description="The written number it was found by, where that is not its own.")]
    callable: Annotated[
        int, Field(description="Units that can be had from all these places, rights over several sites counted once.")
    ]
    candidates: list[CandidateOut]
    left_out: Annotated[int, Field(description="Places that were looked at and do not fit the filters.")]
    farther: Annotated[
        int,
        Field(
            description="More places with units, farther away, that were not looked at because many numbers were asked "
            "for. 0 when this number is asked for alone."
        ),
    ]

    @classmethod
    def of(cls, p: PartPlaces) -> LocatedPart:
        """The wire form."""
        return cls(
            part_id=p.part.id, number=p.part.number, description=p.part.description, uom=p.part.uom, relation=p.relation,
            relation_words=p.relation_words, through=p.through, callable=p.callable,
            candidates=[CandidateOut.of(c) for c in p.places], left_out=p.left_out, farther=p.farther,
        )  # fmt: skip


@dataclass(slots=True)
class LocatedNumber:
    """One number asked for: by which step it was found, and where its units are."""

    asked: str
    step: Annotated[str | None, Field(description="exact, prefix, substring or fuzzy; null where nothing was found.")]
    words: Annotated[
        str | None, Field(description="Where nothing was found: what was tried, and what to do. Else null.")
    ]
    serial: Annotated[
        bool, Field(description="What was asked for is a unit's serial; the parts are those of units that bear it.")
    ]
    more: Annotated[bool, Field(description="There are more parts with a number like it than are told.")]
    parts: list[LocatedPart]


@dataclass(slots=True)
class ChoiceOut:
    """One value to narrow the search by, and what it would leave."""

    value: Annotated[str, Field(examples=["TX"])]
    words: Annotated[str, Field(examples=["TX"])]
    places: int
    units: int


@dataclass(slots=True)
class FacetOut:
    """One filter: its choices, those with the most places first. ``more``: choices that are not told."""

    name: Annotated[str, Field(examples=["region"])]
    words: Annotated[str, Field(examples=["Region"])]
    choices: list[ChoiceOut]
    more: int

    @classmethod
    def of(cls, facet: Facet) -> FacetOut:
        """The wire form."""
        return cls(
            facet.name, FACET_WORDS[facet.name],
            [ChoiceOut(c.value, choice_words(facet.name, c.value, c.label), c.places, c.units) for c in facet.choices],
            facet.more,
        )  # fmt: skip


@dataclass(slots=True)
class FacetsOut:
    """What a search for units can be narrowed by. Each choice is counted with the other filters in force."""

    places: Annotated[int, Field(description="Places that fit all the filters.")]
    units: int
    of: Annotated[int, Field(description="Places that were looked at.")]
    farther: Annotated[int, Field(description="Places that were not looked at, and are counted nowhere.")]
    facets: list[FacetOut]

    @classmethod
    def told(cls, facets: Facets, farther: int) -> FacetsOut:
        """The wire form."""
        return cls(facets.places, facets.units, facets.of, farther, [FacetOut.of(f) for f in facets.facets])


PLACES_HEADER: Final = (
    "Asked for", "Found by", "Part number", "Description", "Relation", "Holder", "Place", "Kind", "Condition", "There",
    "Can be ordered", "Price", "Currency", "Respond by", "Arrives", "Distance", "Clause", "Counted", "Not callable because",
)  # fmt: skip


def places_rows(answers: Iterable[NumberPlaces]) -> list[list[object]]:
    """One row for each place, as ``PLACES_HEADER`` says; a number without any has a row that says so."""
    rows: list[list[object]] = []
    for answer in answers:
        start: list[object] = [answer.written, answer.words]
        if not answer.found:
            rows.append([*start, *[""] * (len(PLACES_HEADER) - 2)])
        for found in answer.found:
            part: list[object] = [*start, found.part.number, found.part.description, found.relation_words or ""]
            if not found.places:
                rows.append([*part, *[""] * (len(PLACES_HEADER) - 5)])
            rows += [[*part, *_cells(c)] for c in found.places]
    return rows


def _cells(c: Candidate) -> list[object]:
    price: list[Any] = ["", ""] if c.unit_price is None else [c.unit_price.plain, c.unit_price.currency]
    return [
        c.holder, c.site, KIND_WORDS[c.kind], CONDITION_WORDS[c.condition], c.quantity, c.callable, *price,
        _iso(c.respond_by), _iso(c.arrives), c.distance_words, c.badge_sentence, _iso(c.counted_at),
        " ".join(b.words for b in c.blocked),
    ]  # fmt: skip


def _iso(moment: datetime | None) -> str:
    return moment.isoformat(timespec="minutes") if moment else ""
