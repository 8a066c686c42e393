"""Make the packed tables of this folder from the public downloads: ``python -m marketplace.demo.data.pack INPUT``.

INPUT is a folder with these files (LICENCES/README.md says where each comes from):

    dla-site-stock/site_stock_2016-04-04.csv.gz
    dla-request-ledger/requests_2016Q4_2019Q3.csv.gz
    places/dla_sites_geocoded.csv.gz, places/geonames_cities15000.csv.gz
    gsa-nsn-catalog/nsn-extract-3-17-21.xlsx, gsa-nsn-catalog/psc_fsc_codes_2020-03.csv
    oem-ecu-part-numbers/ecu_part_numbers.csv

The stations of the records are public agencies. The demo is about parts, so only the place of a station is
packed and its name never leaves this script: the first station of a place is number 1, the next number 2.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import math
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from openpyxl import load_workbook

from marketplace.demo.sources import UNITS

HERE = Path(__file__).parent
LEFT_OUT_CLASSES = frozenset({"2350", "2355", "4933"})
"""Supply classes that are not machinery parts in the sense of this project."""
_LEFT_OUT_WORDS = re.compile(
    r"\b(ARMOU?R(ED|ERS?)?|COMBAT|GUNNERS?|RIFLES?|WEAPONS?|WEP|SMALL ARMS|BORE ?(SIGHT|LIGHT)(ING)?|MISSILES?|BOMBS?|GRENADES?|"
    r"HOWITZERS?|AMMUNITION|AMMO|MORTAR(?! MIX)S?|CANNONS?|PISTOLS?|CARBINES?|MUNITIONS?|TORPEDO(ES)?|ROCKETS?|BAYONETS?|"
    r"TACTICAL|ASSAULT|BALLISTIC|MACHINE GUN|SNIPER|MRAP|ARTILLERY|RIOT|GUN (TUBE|MOUNT)|TROOP|MILITARY|SIGHT,BORE|"
    r"(?<!LATHE,)TURRET(?! HEAD)S?|M14|M16)\b"
)
"""Nor are things so named, in whichever class."""


def kept(nsn: str, name: str) -> bool:
    """Whether an item is a part, a tool or a machine of the kind this project is about."""
    return nsn[:4] not in LEFT_OUT_CLASSES and not _LEFT_OUT_WORDS.search(name.upper())


CAPITALS = {
    "AK": "Juneau", "AL": "Montgomery", "AR": "Little Rock", "AZ": "Phoenix", "CA": "Sacramento", "CO": "Denver",
    "CT": "Hartford", "DC": "Washington", "DE": "Dover", "FL": "Tallahassee", "GA": "Atlanta", "HI": "Honolulu",
    "IA": "Des Moines", "ID": "Boise", "IL": "Springfield", "IN": "Indianapolis", "KS": "Topeka",
    "KY": "Frankfort", "LA": "Baton Rouge", "MA": "Boston", "MD": "Annapolis", "ME": "Augusta", "MI": "Lansing",
    "MN": "Saint Paul", "MO": "Jefferson City", "MS": "Jackson", "MT": "Helena", "NC": "Raleigh", "ND": "Bismarck",
    "NE": "Lincoln", "NH": "Concord", "NJ": "Trenton", "NM": "Santa Fe", "NV": "Carson City", "NY": "Albany",
    "OH": "Columbus", "OK": "Oklahoma City", "OR": "Salem", "PA": "Harrisburg", "RI": "Providence",
    "SC": "Columbia", "SD": "Pierre", "TN": "Nashville", "TX": "Austin", "UT": "Salt Lake City", "VA": "Richmond",
    "VT": "Montpelier", "WA": "Olympia", "WI": "Madison", "WV": "Charleston", "WY": "Cheyenne",
}  # fmt: skip
FIXED_CENTRES = {
    "GU": ("Hagatna", 13.47567, 144.74886, "Pacific/Guam"),
    "PR": ("San Juan", 18.46633, -66.10572, "America/Puerto_Rico"),
    "VI": ("Charlotte Amalie", 18.34190, -64.93070, "America/St_Thomas"),
    "VT": ("Montpelier", 44.26006, -72.57539, "America/New_York"),
    "SD": ("Pierre", 44.36832, -100.35097, "America/Chicago"),
    "KY": ("Frankfort", 38.20091, -84.87328, "America/New_York"),
    "ME": ("Augusta", 44.31062, -69.77949, "America/New_York"),
}
"""Capitals under 15,000 people, and territories: from GeoNames, since the list of cities does not have them."""

TOOL_GROUPS = (
    "30",
    "31",
    "32",
    "39",
    "40",
    "41",
    "43",
    "44",
    "47",
    "49",
    "51",
    "53",
    "59",
    "61",
    "62",
    "63",
)
"""Supply groups of the GSA list that are machine parts, hardware and tools."""
GSA_KEEP = 1600
"""How many GSA items are packed: all that partners hold too, then evenly over the tool groups."""


_SERVICES = re.compile(r"\b(?:ARMY|MARINE CORPS) ")


class Centre(NamedTuple):
    """A state's capital: where a site is put when its place is not known."""

    place: str
    lat: float
    lon: float
    zone: str


def _rows(path: Path) -> Iterator[dict[str, str]]:
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    yield from csv.DictReader(io.StringIO(text, newline=""))


def _write(name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """One table as gzip without a time stamp, so that packing twice gives the same bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    count = 0
    for row in rows:
        writer.writerow(row)
        count += 1
    (HERE / name).write_bytes(gzip.compress(text.getvalue().encode(), 9, mtime=0))
    return count


def _nsn(fsc: str, niin: str) -> str:
    return f"{fsc}-{niin[:2]}-{niin[2:5]}-{niin[5:]}"


def _name(text: str) -> str:
    """Without double blanks, and without the names of services that a few item names carry."""
    return _SERVICES.sub("", " ".join(text.split()))


def _title(place: str) -> str:
    return re.sub(r"\bMc([a-z])", lambda m: "Mc" + m[1].upper(), _name(place))


def read_stock(folder: Path) -> list[tuple[str, ...]]:
    """(state, station, nsn, name, unit, quantity, value, day) of each stock line that is kept."""
    return [
        (
            row["State"].strip(), row["Station Name (LEA)"], row["NSN"].strip(), _name(row["Item Name"]),
            "Each" if row["UI"] == "Unknown" else row["UI"], row["Quantity"], row["Acquisition Value"],
            row["Ship Date"][:10],
        )
        for row in _rows(folder / "dla-site-stock" / "site_stock_2016-04-04.csv.gz")
        if kept(row["NSN"], row["Item Name"])
    ]  # fmt: skip


def read_shipments(folder: Path) -> list[tuple[str, ...]]:
    """(state, station, nsn, name, unit, quantity, value, day, ref) of each shipped request that is kept."""
    return [
        (
            row["state"].strip(), row["site"], _nsn(row["fsc"], row["niin"]), _name(row["item_name"]),
            UNITS[row["ui"].strip()], row["quantity"], row["unit_value_usd"], row["event_time"][:10], row["ref"].strip(),
        )
        for row in _rows(folder / "dla-request-ledger" / "requests_2016Q4_2019Q3.csv.gz")
        if row["outcome"] == "SHIPPED" and kept(row["fsc"], row["item_name"])
    ]  # fmt: skip


def read_requests(folder: Path, keys: Mapping[tuple[str, str], str]) -> list[tuple[str, ...]]:
    """(asked, place, nsn, unit, quantity, outcome, by, reason) of every request, also of those that were not shipped, in order of
    time. ``asked``: of what was shipped only the day is known. ``place``: the key of a station that is packed, else its state.
    What the other tables leave out has no number here."""
    rows = []
    for row in _rows(folder / "dla-request-ledger" / "requests_2016Q4_2019Q3.csv.gz"):
        shipped, state = row["outcome"] == "SHIPPED", row["state"].strip()
        rows.append(
            (
                row["event_time"][: 10 if shipped else 19],
                keys.get((state, row["site"])) or state,
                _nsn(row["fsc"], row["niin"]) if kept(row["fsc"], row["item_name"]) else "",
                row["ui"].strip(), row["quantity"], row["outcome"].lower(), row["cancelled_by"].lower(),
                row["cancel_reason"].lower(),
            )
        )  # fmt: skip
    # Sorting by all columns: the input's own order is that of quarterly files, which were corrected later.
    return sorted(rows)


def read_centres(cities: Sequence[Mapping[str, str]]) -> dict[str, Centre]:
    """The capital of each state, from the list of cities where it is in it."""
    found = {state: Centre(*centre) for state, centre in FIXED_CENTRES.items()}
    by_name = {(c["admin1code"], c["name"]): c for c in cities if c["countrycode"] == "US"}
    for state, capital in CAPITALS.items():
        if state in found:
            continue
        city = by_name.get((state, capital)) or by_name[(state, f"{capital}, D.C.")]
        found[state] = Centre(capital, float(city["latitude"]), float(city["longitude"]), city["timezone"])
    return found


def _zone(
    lat: float,
    lon: float,
    cities: Sequence[tuple[float, float, str]],
    state_zones: set[str],
) -> str:
    """The time zone of the nearest city, out of those the state's cities have."""
    shrink = math.cos(math.radians(lat))
    near = (c for c in cities if c[2] in state_zones)
    return min(near, key=lambda c: (c[0] - lat) ** 2 + ((c[1] - lon) * shrink) ** 2)[2]


def pack_sites(folder: Path, stations: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Write sites.csv.gz; returns the key of each station (state and running number)."""
    cities = list(_rows(folder / "places" / "geonames_cities15000.csv.gz"))
    centres = read_centres(cities)
    places = {(r["state"], r["site"]): r for r in _rows(folder / "places" / "dla_sites_geocoded.csv.gz")}
    points: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for city in cities:
        if city["countrycode"] == "US":
            points[city["admin1code"]].append((float(city["latitude"]), float(city["longitude"]), city["timezone"]))
    keys: dict[tuple[str, str], str] = {}
    rows: list[tuple[Any, ...]] = []
    numbers: Counter[tuple[str, str]] = Counter()
    for running, (state, station) in enumerate(sorted(set(stations)), start=1):
        match = places[(state, station)] if (state, station) in places else places[(state + " ", station)]
        if match["match"] == "none" or not match["lat"]:
            centre = centres[state]
            place, lat, lon, precision = centre.place, centre.lat, centre.lon, "capital"
        else:
            place, lat, lon = (
                _title(match["matched_place"]),
                float(match["lat"]),
                float(match["lon"]),
            )
            precision = "county" if match["match"] == "county_centroid" else "town"
        zones = {z for _, _, z in points[state]} or {centres[state].zone}
        zone = _zone(lat, lon, points[state], zones) if points[state] else centres[state].zone
        numbers[(state, place)] += 1
        keys[(state, station)] = f"{state}{running}"
        rows.append(
            (
                f"{state}{running}",
                state,
                place,
                numbers[(state, place)],
                f"{lat:.5f}",
                f"{lon:.5f}",
                precision,
                zone,
            )
        )
    _write(
        "sites.csv.gz",
        ("key", "state", "place", "number", "lat", "lon", "precision", "zone"),
        rows,
    )
    return keys


def pack_items(folder: Path, held: set[str]) -> None:
    """Write gsa.csv.gz: what partners hold too comes first, then an even pick over the tool groups."""
    file = folder / "gsa-nsn-catalog" / "nsn-extract-3-17-21.xlsx"
    sheet = load_workbook(file, read_only=True, data_only=True).worksheets[0]
    every = [
        row
        for row in sheet.iter_rows(min_row=2, values_only=True)
        if str(row[0])[:2] in TOOL_GROUPS and str(row[5]) in UNITS and kept(str(row[0]), str(row[2]))
    ]
    every.sort(key=lambda row: str(row[0]))
    shared = [row for row in every if row[0] in held]
    rest = [row for row in every if row[0] not in held]
    want = max(GSA_KEEP - len(shared), 0)
    chosen = shared + [rest[i * len(rest) // want] for i in range(want)]
    _write(
        "gsa.csv.gz",
        ("nsn", "name", "description", "price", "unit"),
        (
            (
                row[0],
                _name(str(row[2])),
                _name(str(row[3]))[:240],
                f"{float(str(row[4])):.2f}",
                UNITS[str(row[5])],
            )
            for row in sorted(chosen, key=lambda row: str(row[0]))
        ),
    )


def pack_classes(folder: Path, codes: set[str]) -> None:
    """Write classes.csv.gz: the name in force of each four-digit supply class that occurs."""
    names: dict[str, str] = {}
    for row in _rows(folder / "gsa-nsn-catalog" / "psc_fsc_codes_2020-03.csv"):
        name = _name(row["PRODUCT AND SERVICE CODE FULL NAME"] or row["PRODUCT AND SERVICE CODE NAME"])
        if row["PSC CODE"] in codes and name and (not row["END DATE"] or row["PSC CODE"] not in names):
            names[row["PSC CODE"]] = name
    _write("classes.csv.gz", ("code", "name"), sorted(names.items()))


def pack(folder: Path) -> None:
    """Write every table of this folder."""
    stock, shipments = read_stock(folder), read_shipments(folder)
    keys = pack_sites(folder, [(row[0], row[1]) for row in (*stock, *shipments)])
    stock_header = (
        "site",
        "nsn",
        "name",
        "unit",
        "quantity",
        "value_usd",
        "shipped_on",
    )
    _write(
        "stock.csv.gz",
        stock_header,
        ((keys[row[0], row[1]], *row[2:]) for row in stock),
    )
    _write(
        "shipments.csv.gz",
        (*stock_header, "ref"),
        ((keys[row[0], row[1]], *row[2:]) for row in shipments),
    )
    _write(
        "requests.csv.gz",
        ("asked", "place", "nsn", "unit", "quantity", "outcome", "by", "reason"),
        read_requests(folder, keys),
    )
    pack_items(folder, {row[2] for row in stock})
    numbers = {
        (row["make"], row["part_number"], row["application"], row["component"])
        for row in _rows(folder / "oem-ecu-part-numbers" / "ecu_part_numbers.csv")
        if row["part_number"]
    }
    _write("ecu.csv.gz", ("make", "number", "application", "component"), sorted(numbers))
    with gzip.open(HERE / "gsa.csv.gz", "rt", encoding="utf-8") as text:
        items = {line[:4] for line in text}
    pack_classes(folder, {row[2][:4] for row in (*stock, *shipments)} | items)


def main() -> None:
    """Read the input folder from the command line and pack."""
    parser = argparse.ArgumentParser(description="Pack the demo's tables from the public downloads.")
    parser.add_argument(
        "input",
        type=Path,
        help="folder with the downloads, laid out as the module text says",
    )
    pack(parser.parse_args().input)
    for table in sorted(HERE.glob("*.csv.gz")):
        sys.stdout.write(f"{table.name:20} {table.stat().st_size:>9,} bytes\n")


if __name__ == "__main__":
    main()
