"""How units travel: with a carrier under a tracking number, or by own transport."""

from __future__ import annotations

from dataclasses import dataclass

from marketplace.kit.errors import FieldError, conflict, invalid_fields

OWN_TRANSPORT = "Own transport"


@dataclass(frozen=True, slots=True)
class Consignment:
    """``carrier`` and ``tracking`` are what both sides see; ``tracking`` is None only for own transport."""

    carrier: str
    tracking: str | None

    @classmethod
    def of(cls, carrier: str, tracking: str, *, own_transport: bool = False) -> Consignment:
        """What was stated, checked. A consignment that nobody can follow is refused: ``shipment.incomplete``.

        Own transport (the sender's vehicle, or collected by the other side) has neither; what is stated beside it is
        kept as a note of who drives.
        """
        carrier, tracking = carrier.strip(), tracking.strip()
        if own_transport:
            if tracking:
                wrong = FieldError(
                    "tracking", "shipment.tracking", "Own transport has no tracking number: leave one of the two out."
                )
                raise invalid_fields("shipment.incomplete", "The shipment does not fit together.", (wrong,))
            return cls(f"{OWN_TRANSPORT}, {carrier}" if carrier else OWN_TRANSPORT, None)
        missing = [
            FieldError(name, f"shipment.{name}", words)
            for name, given, words in (
                ("carrier", carrier, "Say which carrier has the units, or choose own transport."),
                ("tracking", tracking, "Give the carrier's tracking number, or choose own transport."),
            )
            if not given
        ]
        if missing:
            raise invalid_fields(
                "shipment.incomplete",
                "Say how the units travel, so that the other side can follow them.",
                tuple(missing),
            )
        return cls(carrier, tracking)

    @property
    def own_transport(self) -> bool:
        """Whether it was stated so; older records may lack a tracking number for other reasons."""
        return self.tracking is None and self.carrier.startswith(OWN_TRANSPORT)

    def words(self) -> str:
        """For a sentence: ``UPS 1Z999``."""
        return " ".join(part for part in (self.carrier, self.tracking) if part)

    def detail(self) -> dict[str, str | None]:
        """For the story of an order."""
        return {"carrier": self.carrier, "tracking": self.tracking}


def require_change(before: Consignment, after: Consignment) -> None:
    """Raises ``shipment.same`` when a correction says what stands there already."""
    if before == after:
        raise conflict("shipment.same", f"It says {before.words()} already; there is nothing to correct.")
