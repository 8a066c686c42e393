"""``backstock locate``: where units are, asked of a server over its API with an API key. What it prints is what the API answers: it
decides and leaves out nothing by itself."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
import typer

from marketplace.kit.errors import DomainError, FieldError, Kind, busy, forbidden, invalid, missing
from marketplace.kit.statuses import STATUS
from marketplace.sourcing.freight import near_text

API = "/api/v1"
WAIT_SECONDS = 60
_HOME = ("127.0.0.1", "localhost", "::1")
_HEADER = ("HOLDER AND PLACE", "CAN BE ORDERED", "PRICE", "ARRIVES", "DISTANCE", "CLAUSE, OR WHY NOT")
_RIGHT = frozenset({1, 2})


class Urgency(StrEnum):
    """How soon holders have to answer."""

    MACHINE_DOWN = "machine_down"
    URGENT = "urgent"
    STOCK_ORDER = "stock_order"


class Shape(StrEnum):
    """How the answer is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def locate(
    numbers: Annotated[list[str] | None, typer.Argument(help="Part numbers, or one serial; up to 500.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="Numbers from this file, one a line; - reads what is piped in.")
    ] = None,
    near: Annotated[
        str | None, typer.Option(help="Distance and order count from this place, as LAT,LON such as 32.78,-96.80.")
    ] = None,
    site: Annotated[
        str | None, typer.Option(help="Code of your site where they are needed (default: your own).")
    ] = None,
    urgency: Annotated[Urgency, typer.Option(help="How soon holders have to answer.")] = Urgency.URGENT,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Narrows the places, several times: source=own, callable=now, reason=CODE, country=US, region=TX, holder=ID, "
            "condition=new, clause=buy-back, within_days=3."
        ),
    ] = None,
    shape: Annotated[
        Shape,
        typer.Option(
            "--format", help="csv has every place; of several numbers table and json have the nearest of each."
        ),
    ] = Shape.TABLE,
    server: Annotated[
        str, typer.Option(envvar="BACKSTOCK_SERVER", help="Address of the site.")
    ] = "http://127.0.0.1:8000",
    key: Annotated[
        str | None, typer.Option(envvar="BACKSTOCK_API_KEY", help="API key; better in the environment than typed here.")
    ] = None,
) -> None:
    """Where units of these numbers are, which can be ordered back, and why the others cannot.

    The key needs the scope sourcing.read (and company.read for --site). Exit code 4 where no number is known."""
    text = "\n".join([*(numbers or []), *([_read(file)] if file else [])])
    if not any(c.isalnum() for c in text):
        raise invalid("locate.empty", "Name at least one part number, or a file with --file.", field="numbers")
    if not key:
        raise forbidden(
            "locate.key",
            "Set BACKSTOCK_API_KEY to an API key. 'backstock apikey create' makes one with --scope sourcing.read.",
        )
    asked: dict[str, Any] = {"numbers": text, "urgency": urgency.value, "filters": _filters(only or [])}
    if near is not None:
        at = near_text(near)
        asked["near"] = {"lat": at.lat, "lon": at.lon}
    _refuse_open(server)
    with httpx.Client(
        base_url=server, timeout=WAIT_SECONDS, headers={"authorization": f"Bearer {key}", "accept": "application/json"}
    ) as client:
        if site is not None:
            asked["site_id"] = _site(client, site)
        path = f"{API}/sourcing/locate.csv" if shape is Shape.CSV else f"{API}/sourcing/locate"
        answer = _ask(client, "POST", path, json=asked)
    if shape is Shape.TABLE:
        found = answer.json()
        typer.echo(_table(found))
        raise SystemExit(0 if any(n["parts"] for n in found) else 4)
    sys.stdout.buffer.write(answer.content)
    if shape is Shape.JSON:
        sys.stdout.buffer.write(b"\n")
    sys.stdout.flush()


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise invalid("locate.file", f"{file} cannot be read: {error}.", field="file") from None


def _filters(only: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in only:
        name, sign, value = text.partition("=")
        if not sign or not value:
            raise invalid(
                "locate.only",
                f"'{text}' narrows nothing. Write a filter and its value, such as region=TX.",
                field="only",
            )
        found[name.strip()] = int(value) if name == "within_days" and value.isdecimal() else value.strip()
    return found


def _refuse_open(server: str) -> None:
    """A key goes to another machine only where nobody on the way can read it."""
    at = urlsplit(server)
    if at.scheme not in ("http", "https") or not at.hostname:
        raise invalid(
            "locate.server", f"'{server}' is no address of a site, such as https://parts.example.com.", field="server"
        )
    if at.scheme == "http" and at.hostname not in _HOME:
        raise invalid(
            "locate.server",
            "The API key is sent to another machine over https only. Name the site with https://.",
            field="server",
        )


def _ask(client: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response:
    try:
        answer = client.request(method, path, **more)
    except httpx.HTTPError as error:
        raise busy(
            "locate.unreachable",
            f"{client.base_url} does not answer: {error or type(error).__name__}. Name the site with --server.",
        ) from None
    if not answer.is_success:
        raise _refusal(answer)
    return answer


def _refusal(answer: httpx.Response) -> DomainError:
    """The server's own words."""
    kind = next((k for k, status in STATUS.items() if status == answer.status_code), Kind.BUSY)
    try:
        told = answer.json()
        fields = tuple(FieldError(e["field"], e["code"], e["message"]) for e in told.get("errors", []))
        return DomainError(kind, told["code"], told["detail"], fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        return DomainError(
            kind, "locate.refused", f"{answer.url} answered {answer.status_code}, which is no answer of this API."
        )


def _site(client: httpx.Client, code: str) -> str:
    after: str | None = None
    while True:
        query = {"limit": "200", **({"after": after} if after else {})}
        page = _ask(client, "GET", f"{API}/sites", params=query).json()
        for one in page["items"]:
            if one["code"].upper() == code.upper():
                return str(one["id"])
        after = page["next"]
        if after is None:
            raise missing("site.not_found", f"Your company has no open site with the code {code}.")


# -- the table -------------------------------------------------------------------------------------------


def _table(found: Sequence[dict[str, Any]]) -> str:
    lines: list[str] = []
    for number in found:
        if lines:
            lines.append("")
        lines.append(_head(number))
        for part in number["parts"]:
            rows = [_row(c) for c in part["candidates"]]
            about = [
                part["number"],
                part["description"],
                part["relation_words"],
                part["through"] and f"also written {part['through']}",
            ]
            lines.append("  " + " · ".join(_plain(a) for a in about if a))
            lines += (
                [f"    {line}" for line in _aligned(rows)]
                if rows
                else ["    no units that fit" if part["left_out"] else "    no units"]
            )
            if part["left_out"] and rows:
                lines.append(f"    {part['left_out']:,} more do not fit the filters")
            if part["farther"]:
                lines.append(
                    f"    {part['farther']:,} more places, farther away, were not looked at: ask for the number alone, or --format csv"
                )
        if number["more"]:
            lines.append("  There are more numbers like this: write more of it.")
    return "\n".join(lines)


def _head(number: dict[str, Any]) -> str:
    how = "serial of a unit" if number["serial"] else number["step"] or "not found"
    told = f"{_plain(number['asked'])}  [{how}]"
    return f"{told}  {_plain(number['words'])}" if number["words"] else told


def _row(c: dict[str, Any]) -> list[str]:
    price = (
        "nothing owed" if c["kind"] == "own_stock" else f"{c['unit_price']} {c['currency']}" if c["unit_price"] else ""
    )
    why = " ".join(b["words"] for b in c["blocked"])
    return [
        f"{c['holder']}, {c['place']}", f"{c['callable']:,} of {c['quantity']:,}", price,
        (c["arrives"] or "")[:16].replace("T", " "), c["distance"], "; ".join(t for t in (c["clause"] if c["callable"] else "", why) if t),
    ]  # fmt: skip


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns one under the other; nothing is cut."""
    cells = [list(_HEADER), *([_plain(c) for c in row] for row in rows)]
    wide = [max(len(row[n]) for row in cells) for n in range(len(cells[0]) - 1)]
    lines = []
    for row in cells:
        texts = [t.rjust(w) if n in _RIGHT else t.ljust(w) for n, (t, w) in enumerate(zip(row, wide, strict=False))]
        lines.append("  ".join([*texts, row[-1]]).rstrip())
    return lines


def _plain(text: str) -> str:
    """Without what would steer a terminal."""
    return "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
