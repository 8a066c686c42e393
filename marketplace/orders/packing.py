"""A shipment's packing list and label, as values and as papers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import segno

from marketplace.documents.blocks import Block, Code, Facts, Heading, Paper, Paragraph, Span, Table, words
from marketplace.kit.consignment import Consignment
from marketplace.ledger.kinds import CONDITION_WORDS


@dataclass(frozen=True, slots=True)
class PackedLine:
    """So many of an order's line in a shipment. ``weight_grams``: net, of one unit, where the catalogue has it."""

    line_no: int
    po_line: str | None
    part_number: str
    description: str
    maker: str
    condition: str
    quantity: int
    ordered: int
    uom: str
    serials: tuple[str, ...]
    weight_grams: int | None


@dataclass(frozen=True, slots=True)
class Packing:
    """What a packing list says. ``to``: lines of an address; ``sender``: the sites that it left, for the seller alone."""

    order_id: UUID
    reference: str
    po_number: str
    seller: str
    buyer: str
    shipment_id: UUID
    number: int
    shipments: int
    carrier: str
    tracking: str | None
    packages: int | None
    weight_grams: int | None
    origin: str | None
    note: str | None
    shipped_at: datetime
    received_at: datetime | None
    lines: tuple[PackedLine, ...]
    agreement: str | None
    clauses: tuple[str, ...]
    to: tuple[str, ...]
    phone: str | None
    sender: tuple[str, ...]

    @property
    def units(self) -> int:
        """How many in all."""
        return sum(x.quantity for x in self.lines)

    @property
    def net_grams(self) -> int | None:
        """Of all units by the catalogue; None where one is not known."""
        if any(x.weight_grams is None for x in self.lines):
            return None
        return sum((x.weight_grams or 0) * x.quantity for x in self.lines)

    def facts(self) -> list[tuple[str, str]]:
        """Label and value of each thing that is known about it."""
        rows = [
            ("From", "; ".join((self.seller, *self.sender))), ("To", "; ".join((self.buyer, *self.to))), ("Telephone", self.phone or ""),
            ("Order", self.reference), ("Purchase order", self.po_number), ("Shipment", f"{self.number}, {self.shipped_at:%d %b %Y}"),
            ("Carrier", Consignment(self.carrier, self.tracking).words()), ("Packages", str(self.packages or "")),
            ("Gross weight", kilograms(self.weight_grams)), ("Net weight", kilograms(self.net_grams)),
            ("Country of origin", self.origin or ""), ("Agreement", self.agreement or ""), ("Clauses", ", ".join(self.clauses)),
            ("Note", self.note or ""),
        ]  # fmt: skip
        return [(label, value) for label, value in rows if value]


def kilograms(grams: int | None) -> str:
    """'1.2 kg'; '' for None."""
    return "" if grams is None else f"{grams / 1000:,.3f}".rstrip("0").rstrip(".") + " kg"


def address_of(base_url: str, shipment_id: UUID) -> str:
    """Where the code on a label leads: the shipment's page, which offers to receive it."""
    return f"{base_url.rstrip('/')}/shipments/{shipment_id}"


def code_svg(address: str) -> str:
    """A QR code of an address as an SVG file; a quarter of it may be scratched (level Q)."""
    rows = [bytes(row) for row in segno.make_qr(address, error="q").matrix_iter(border=2)]
    dark = "".join(f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, module in enumerate(row) if module)
    size = len(rows)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size * 3}" height="{size * 3}" viewBox="0 0 {size} {size}" '
        f'shape-rendering="crispEdges"><path fill="#fff" d="M0 0h{size}v{size}H0z"/><path d="{dark}"/></svg>'
    )


HEAD = ("Line", "Your line", "Part", "What it is", "Condition", "Shipped", "Ordered", "Serial numbers")
_RIGHT = (True, False, False, False, False, True, True, False)


def packing_list(found: Packing, base_url: str) -> Paper:
    """The packing list to print and put into the package."""
    return _paper(found, "Packing list", _listed(found, base_url))


def label_paper(found: Packing, base_url: str) -> Paper:
    """The label to print and stick on each package."""
    return _paper(found, "Shipping label", _labelled(found, base_url))


def _paper(found: Packing, title: str, blocks: Iterator[Block]) -> Paper:
    name = f"{found.reference}, shipment {found.number}"
    return Paper(
        title=title, subtitle=name, author=found.seller, running=f"{title}: {name}", foot=f"Shipment {found.shipment_id}", stamp=None,
        blocks=tuple(blocks), made_at=found.shipped_at,
    )  # fmt: skip


def _code(found: Packing, base_url: str) -> Code:
    address = address_of(base_url, found.shipment_id)
    said = (Span("Scan this on arrival to receive the shipment: ", bold=True), Span(address, code=True))
    return Code(code_svg(address), f"QR code: {address}", said)


def _listed(found: Packing, base_url: str) -> Iterator[Block]:
    yield Facts(tuple((label, words(value)) for label, value in found.facts()))
    rows = tuple(
        tuple(
            words(cell)
            for cell in (
                str(x.line_no), x.po_line or "", x.part_number, f"{x.description}, {x.maker}", CONDITION_WORDS.get(x.condition, x.condition),
                f"{x.quantity:,} {x.uom}", f"{x.ordered:,} {x.uom}", ", ".join(x.serials),
            )
        )
        for x in found.lines
    )  # fmt: skip
    yield Table(tuple(words(text) for text in HEAD), rows, _RIGHT, "What is in the shipment")
    yield Paragraph(words(f"{found.units:,} {'unit' if found.units == 1 else 'units'} in all."))
    yield _code(found, base_url)


def _labelled(found: Packing, base_url: str) -> Iterator[Block]:
    yield Heading(1, words("To"))
    for line in (found.buyer, *found.to, found.phone or ""):
        if line:
            yield Paragraph(words(line, bold=True))
    yield _code(found, base_url)
    kept = {"From", "Order", "Purchase order", "Carrier", "Packages", "Gross weight", "Country of origin"}
    yield Facts(tuple((label, words(value)) for label, value in found.facts() if label in kept))
