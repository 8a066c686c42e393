"""Who is in the demo: invented companies, people and telephones, at places from the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from marketplace.demo.draws import Draws
from marketplace.demo.rows import Company, Delegation, Site, User
from marketplace.demo.sources import Station

DEMO_PASSWORD = "backstock-demo"  # noqa: S105  (printed by `backstock demo`, the same for every invented person)
FOUNDED = datetime.fromisoformat("1990-01-02T09:00:00+00:00")
"""The moment in the ids of what has no date of its own."""

MANUFACTURER = ("NORTHFIELD", "Northfield Machinery Works", "northfield.example")
SERVICE = ("RIDGELINE", "Ridgeline Field Service", "ridgeline.example")
PLANTS = (
    ("RFD", "Rockford", "IL", 42.27113, -89.09400, "America/Chicago", "815", "central warehouse"),
    ("CHA", "Chattanooga", "TN", 35.04563, -85.30968, "America/New_York", "423", "parts depot"),
    ("RNO", "Reno", "NV", 39.52963, -119.81380, "America/Los_Angeles", "775", "west depot"),
)
SERVICE_BASES = (
    ("DEN", "Denver", "CO", 39.73915, -104.98470, "America/Denver", "303", "service base"),
    ("ATL", "Atlanta", "GA", 33.74900, -84.38798, "America/New_York", "404", "service base"),
)
PARTNERS: Mapping[str, tuple[str, str, str, str]] = {
    "AK": ("Alaska", "Tern Harbor", "Machine Supply", "907"),
    "AL": ("Alabama", "Cottonwood", "Equipment Supply", "205"),
    "AR": ("Arkansas", "Ozark Ridge", "Parts", "501"),
    "AZ": ("Arizona", "Saguaro", "Industrial Parts", "602"),
    "CA": ("California", "Redwood Coast", "Equipment", "916"),
    "CO": ("Colorado", "Front Range", "Machine Parts", "303"),
    "CT": ("Connecticut", "Charter Oak", "Mill Supply", "860"),
    "DC": ("District of Columbia", "Potomac Basin", "Equipment", "202"),
    "DE": ("Delaware", "Brandywine", "Machinery Supply", "302"),
    "FL": ("Florida", "Mangrove", "Equipment Parts", "850"),
    "GA": ("Georgia", "Longleaf", "Machine Supply", "404"),
    "GU": ("Guam", "Latte Stone", "Equipment", "671"),
    "HI": ("Hawaii", "Kukui", "Machine Parts", "808"),
    "IA": ("Iowa", "Tallgrass", "Equipment", "515"),
    "ID": ("Idaho", "Sawtooth", "Parts Supply", "208"),
    "IL": ("Illinois", "Prairie State", "Drive Parts", "217"),
    "IN": ("Indiana", "Wabash", "Machine Works", "317"),
    "KS": ("Kansas", "Flint Hills", "Equipment", "785"),
    "KY": ("Kentucky", "Bluegrass", "Power Parts", "502"),
    "LA": ("Louisiana", "Bayou Cypress", "Equipment", "225"),
    "MA": ("Massachusetts", "Mayflower", "Mill Supply", "617"),
    "MD": ("Maryland", "Chesapeake", "Drive Supply", "410"),
    "ME": ("Maine", "White Pine", "Machine Supply", "207"),
    "MI": ("Michigan", "Two Lakes", "Driveline", "517"),
    "MN": ("Minnesota", "North Star", "Equipment Parts", "651"),
    "MO": ("Missouri", "Gateway", "Machine Parts", "573"),
    "MS": ("Mississippi", "Magnolia", "Equipment", "601"),
    "MT": ("Montana", "Big Sky", "Machine Supply", "406"),
    "NC": ("North Carolina", "Blue Ridge", "Industrial Supply", "919"),
    "ND": ("North Dakota", "Badlands", "Equipment", "701"),
    "NE": ("Nebraska", "Sandhills", "Parts", "402"),
    "NH": ("New Hampshire", "Granite", "Machine Supply", "603"),
    "NJ": ("New Jersey", "Pine Barrens", "Equipment", "609"),
    "NM": ("New Mexico", "Mesa Verde", "Machine Parts", "505"),
    "NV": ("Nevada", "Silver Basin", "Equipment", "775"),
    "NY": ("New York", "Hudson Valley", "Machine Supply", "518"),
    "OH": ("Ohio", "Buckeye", "Drive and Hydraulic", "614"),
    "OK": ("Oklahoma", "Red Bed", "Equipment", "405"),
    "OR": ("Oregon", "Cascade", "Machine Parts", "503"),
    "PA": ("Pennsylvania", "Keystone", "Industrial Parts", "717"),
    "PR": ("Puerto Rico", "Ceiba", "Equipo y Piezas", "787"),
    "RI": ("Rhode Island", "Narragansett", "Mill Supply", "401"),
    "SC": ("South Carolina", "Palmetto", "Equipment Supply", "803"),
    "SD": ("South Dakota", "Black Hills", "Machine Parts", "605"),
    "TN": ("Tennessee", "Cumberland", "Equipment Supply", "615"),
    "TX": ("Texas", "Lone Mesquite", "Machinery", "512"),
    "UT": ("Utah", "Wasatch", "Parts Supply", "801"),
    "VA": ("Virginia", "Shenandoah", "Equipment", "804"),
    "VI": ("US Virgin Islands", "Coral Bay", "Equipment", "340"),
    "VT": ("Vermont", "Green Mountain", "Mill Supply", "802"),
    "WA": ("Washington", "Rainier", "Equipment Parts", "360"),
    "WI": ("Wisconsin", "Badger Creek", "Driveline", "608"),
    "WV": ("West Virginia", "New River", "Mine Supply", "304"),
    "WY": ("Wyoming", "Wind River", "Equipment", "307"),
}
"""By state: its name, the invented partner's name, its trade, and a telephone area code of the state."""

_FIRST = (
    "Ada",
    "Ben",
    "Carla",
    "Dev",
    "Elena",
    "Frank",
    "Grace",
    "Hugo",
    "Ines",
    "Jonah",
    "Kim",
    "Luis",
    "Mara",
    "Nils",
    "Olga",
    "Priya",
    "Quinn",
    "Rosa",
    "Sam",
    "Tess",
    "Uma",
    "Victor",
    "Wendy",
    "Yusuf",
    "Zoe",
)
_LAST = (
    "Abbott",
    "Barrera",
    "Castle",
    "Dunn",
    "Eriksen",
    "Foley",
    "Garza",
    "Holt",
    "Ibarra",
    "Jensen",
    "Kerr",
    "Lund",
    "Moreno",
    "Nakai",
    "Okafor",
    "Pruitt",
    "Quade",
    "Reyes",
    "Stone",
    "Tran",
    "Usher",
    "Voss",
    "Whitt",
    "Young",
)


@dataclass(frozen=True, slots=True)
class Cast:
    """Companies, sites and people, and the handles other builders need."""

    companies: Sequence[Company]
    sites: Sequence[Site]
    users: Sequence[User]
    delegation: Delegation
    maker: UUID
    service: UUID
    partner_of: Mapping[str, UUID]
    """By state."""
    site_of: Mapping[str, Site]
    """By station key."""
    plants: Sequence[Site]
    bases: Sequence[Site]
    actor: Mapping[tuple[UUID, str], UUID]
    """The user of a company with a role."""


def build_cast(stations: Sequence[Station], start: datetime, draws: Draws) -> Cast:
    """The cast. Sites keep the order of the stations; the manufacturer's own come first."""
    maker = draws.id(FOUNDED, "company", MANUFACTURER[0])
    service = draws.id(FOUNDED, "company", SERVICE[0])
    companies = [
        Company(maker, MANUFACTURER[0], MANUFACTURER[1], True, False, "USD", "US", MANUFACTURER[2]),
        Company(service, SERVICE[0], SERVICE[1], False, True, "USD", "US", SERVICE[2]),
    ]
    partner_of: dict[str, UUID] = {}
    for state in sorted({s.state for s in stations}):
        region, name, trade, _ = PARTNERS[state]
        company = draws.id(FOUNDED, "company", state)
        partner_of[state] = company
        domain = f"{name.lower().replace(' ', '-')}.example"
        code = f"{name.upper().replace(' ', '')}-{state}"
        companies.append(Company(company, code, f"{name} {trade} ({region})", False, True, "USD", "US", domain))
    plants = tuple(_own_site(draws, start, maker, *place) for place in PLANTS)
    bases = tuple(_own_site(draws, start, service, *place) for place in SERVICE_BASES)
    several = {(s.state, s.place) for s in stations if s.number > 1}
    site_of = {
        s.key: _holding_site(draws, start, partner_of[s.state], s, (s.state, s.place) in several) for s in stations
    }
    users = _users(draws, companies, maker, service, plants[0].id, bases[0].id)
    actor = {(user.company_id, role): user.id for user in reversed(users) for role in user.roles}
    delegation = Delegation(
        draws.id(start, "delegation"),
        maker,
        service,
        5,
        Decimal(5000),
        start - timedelta(days=400),
        start + timedelta(days=700),
    )
    return Cast(
        tuple(companies),
        (*plants, *bases, *site_of.values()),
        tuple(users),
        delegation,
        maker,
        service,
        partner_of,
        site_of,
        plants,
        bases,
        actor,
    )


def _person(draws: Draws, *purpose: object) -> str:
    return f"{draws.one_of(_FIRST, 'first', *purpose)} {draws.one_of(_LAST, 'last', *purpose)}"


def _phone(draws: Draws, area: str, *purpose: object) -> str:
    """A number in 555-0100 .. 555-0199, the range kept free for fiction."""
    return f"+1 {area} 555 01{draws.below(100, 'phone', area, *purpose):02}"


def _street(draws: Draws, *purpose: object) -> str:
    """An invented street address."""
    street = draws.one_of(
        ("Depot Road", "Works Street", "Yard Lane", "Foundry Way", "Siding Road", "Mill Row"), "street", *purpose
    )
    return f"{draws.between(100, 998, 'house', *purpose)} {street}"


def _own_site(
    draws: Draws,
    start: datetime,
    company: UUID,
    code: str,
    place: str,
    state: str,
    lat: float,
    lon: float,
    zone: str,
    area: str,
    kind: str,
) -> Site:
    return Site(
        draws.id(FOUNDED, "site", company, code),
        company,
        code,
        f"{place}, {state} - {kind}",
        f"{place}, {state}",
        state,
        "US",
        lat,
        lon,
        False,
        zone,
        time(7),
        time(18),
        _phone(draws, area, code),
        _phone(draws, area, code, "night"),
        True,
        _street(draws, code),
        draws.id(FOUNDED, "contact", code),
        _person(draws, code),
        start - timedelta(days=6),
    )


def _holding_site(draws: Draws, start: datetime, company: UUID, station: Station, numbered: bool) -> Site:
    """A partner's site, called by its place and never by the station that stands behind it."""
    key, area = station.key, PARTNERS[station.state][3]
    number = f" {station.number}" if numbered else ""
    place = f"{station.place}, {station.state}"
    opens = draws.one_of((time(6, 30), time(7), time(7, 30), time(8)), "opens", key)
    closes = draws.one_of((time(15, 30), time(16, 30), time(17), time(18)), "closes", key)
    counted = start - timedelta(days=draws.between(1, 240, "counted", key), hours=draws.between(1, 9, "hour", key))
    return Site(
        draws.id(FOUNDED, "site", key),
        company,
        key,
        f"{place} - holding site{number}",
        place,
        station.state,
        "US",
        station.lat,
        station.lon,
        station.precision != "town",
        station.zone,
        opens,
        closes,
        _phone(draws, area, key),
        _phone(draws, area, key, "night") if draws.below(3, "night", key) else "",
        draws.below(10, "will-call", key) < 7,
        _street(draws, key),
        draws.id(FOUNDED, "contact", key),
        _person(draws, key),
        counted,
    )


def _users(
    draws: Draws, companies: Sequence[Company], maker: UUID, service: UUID, plant: UUID, base: UUID
) -> list[User]:
    users: list[User] = []

    def add(company: Company, login: str, roles: tuple[str, ...], site: UUID | None, limit: Decimal | None) -> None:
        email = f"{login}@{company.domain}"
        name = _person(draws, "user", email)
        users.append(User(draws.id(FOUNDED, "user", email), company.id, email, name, roles, site, limit))

    for company in companies:
        if company.id == maker:
            for role in ("planner", "seller", "warehouse", "auditor", "admin"):
                add(company, role, (role,), plant, None)
            add(company, "technician", ("technician",), plant, Decimal(2500))
        elif company.id == service:
            add(company, "technician", ("technician",), base, Decimal(1500))
            add(company, "admin", ("admin", "planner"), base, None)
        else:
            add(company, "buyer", ("buyer", "technician"), None, None)
            add(company, "warehouse", ("warehouse",), None, None)
            add(company, "admin", ("admin", "auditor"), None, None)
    return users
