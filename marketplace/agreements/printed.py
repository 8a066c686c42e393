"""An agreement as a paper to print and keep: the signed text as it is stored, then its terms and its signatures as the
record has them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from marketplace.agreements import phrases
from marketplace.agreements.paper import SCHEDULE_HEADING
from marketplace.agreements.prose import NAMES, term_words
from marketplace.agreements.terms import Terms
from marketplace.documents.blocks import (
    Attachment,
    Block,
    Facts,
    Heading,
    Listing,
    Mark,
    NewPage,
    Panel,
    Paper,
    Paragraph,
    Span,
    Table,
    Text,
    plain,
    words,
)
from marketplace.documents.letters import all_visible
from marketplace.documents.markdown import blocks
from marketplace.kit.errors import conflict

Side = Literal["maker", "holder"]
SIDES: tuple[Side, ...] = ("maker", "holder")
ROLES: Mapping[Side, str] = {"maker": "Manufacturer", "holder": "Holder"}
STATUS_WORDS: Mapping[str, str] = {
    "active": "Signed by both sides, in force",
    "suspended": "Signed by both sides, suspended: rights cannot be used until it is resumed",
    "expiring": "Signed by both sides, in force; the right ends soon",
    "run_off": "Signed by both sides; the right has ended, what was ordered is carried out",
    "closed": "Signed by both sides, closed: nothing is left to be done",
    "terminated": "Terminated",
    "superseded": "Superseded by another agreement",
    "withdrawn": "Withdrawn before both sides had signed; never in force",
}
STAMPS: Mapping[str, str] = {
    "terminated": "Terminated",
    "superseded": "Superseded",
    "withdrawn": "Withdrawn",
}


@dataclass(frozen=True, slots=True)
class Signature:
    """One side's signature. ``at`` None: not signed yet. ``by`` is None where the reader is not of that company: people
    are named to their own company only, as on pages."""

    side: Side
    company: str
    at: datetime | None
    by: str | None


@dataclass(frozen=True, slots=True)
class Framework:
    """A framework agreement that a schedule hangs on."""

    reference: str
    clause: str
    version: int
    clause_sha256: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class PrintedAgreement:
    """What the paper is made of: ``clauses`` are the terms of each clause, ``frameworks`` one for each. ``wording`` is the stored text that both sides sign, ``wording_sha256`` what they
    signed it by."""

    reference: str
    title: str
    status: str
    status_reason: str | None
    legal_hold: bool
    zone: str
    clauses: tuple[Terms, ...]
    wording: str
    wording_sha256: str
    offered_at: datetime
    signatures: tuple[Signature, ...]
    frameworks: tuple[Framework, ...]

    @property
    def made_at(self) -> datetime:
        """The last signature, the frameworks' among them; before any, the offer."""
        signatures = (*self.signatures, *(s for framework in self.frameworks for s in framework.signatures))
        return max((s.at for s in signatures if s.at is not None), default=self.offered_at)

    @property
    def stamp(self) -> str | None:
        """What lies across every page of a paper that binds nobody (any more)."""
        if self.status in STAMPS:
            return STAMPS[self.status]
        unsigned = sum(s.at is None for s in self.signatures)
        return None if not unsigned else "Draft, not signed" if unsigned == 2 else "Draft, not signed by both"


def printed(agreement: PrintedAgreement) -> Paper:
    """The paper. Raises ``agreement.text_differs`` where the stored text is not the one that was signed: no paper is
    better than one that names a fingerprint which is not its own."""
    if hashlib.sha256(agreement.wording.encode()).hexdigest() != agreement.wording_sha256:
        raise conflict(
            "agreement.text_differs",
            f"The stored text of {agreement.reference} does not match its fingerprint. No document is made of it; "
            "tell the operator.",
        )
    signed = agreement.stamp is None
    body = blocks(agreement.wording)
    stated = _particulars(body)
    file = f"{agreement.reference}.md"
    named = [framework.reference for framework in agreement.frameworks]
    return Paper(
        title=f"Agreement {agreement.reference}",
        subtitle=f"{agreement.title}. Schedule under the framework agreement{'s' if len(named) > 1 else ''} "
        f"{phrases.listed(named)}",
        author=", ".join(stated.get(ROLES[s.side], s.company) for s in agreement.signatures),
        running=f"Agreement {agreement.reference}",
        foot=f"SHA-256 of the {'signed text' if signed else 'text'}: {agreement.wording_sha256}",
        stamp=agreement.stamp,
        blocks=(
            *_parties(agreement, stated),
            Mark("The text that is signed begins here"),
            *_signed_text(body),
            Mark("The text that is signed ends here"),
            *(block for terms in agreement.clauses for block in _terms(terms, alone=len(agreement.clauses) == 1)),
            NewPage(),
            *_signatures(agreement, stated, file),
        ),
        made_at=agreement.made_at,
        attachments=(
            Attachment(file, "text/markdown", "The text that is signed, byte for byte", agreement.wording),
        ),
    )  # fmt: skip


def _particulars(body: tuple[Block, ...]) -> dict[str, str]:
    """The labels and values at the head of the signed text: names as they were when it was written."""
    return {label: plain(value).strip() for label, value in _labelled(body[0])} if body else {}


def _labelled(block: Block) -> tuple[tuple[str, Text], ...]:
    """The rows of a list all of whose items read '**label:** value'; none for any other block."""
    if not isinstance(block, Listing) or block.start is not None:
        return ()
    rows: list[tuple[str, Text]] = []
    for item in block.items:
        if len(item) != 1 or not isinstance(item[0], Paragraph):
            return ()
        label, *value = item[0].text
        if not label.bold or not label.text.endswith(":") or not value:
            return ()
        first = Span(value[0].text.lstrip(), value[0].bold, value[0].italic, value[0].code)
        rows.append((label.text.removesuffix(":"), (first, *value[1:])))
    return tuple(rows)


def _parties(agreement: PrintedAgreement, stated: Mapping[str, str]) -> Iterator[Block]:
    rows: list[tuple[str, Text]] = []
    for number, signature in enumerate(agreement.signatures):
        role = ROLES[signature.side]
        name = words(stated.get(role, signature.company), bold=True)
        rows.append(("and" if number else "Between", (*name, *words(f", the {role}"))))
    yield Facts(tuple(rows))
    yield Facts((("Status", words(_status(agreement))),))


def _status(agreement: PrintedAgreement) -> str:
    missing = [s.company for s in agreement.signatures if s.at is None]
    stands = STATUS_WORDS.get(agreement.status)
    if stands is None:
        stands = f"Draft. Not signed yet by {phrases.listed(missing)}; it binds nobody"
    held = " On legal hold: nothing under it ships by itself." if agreement.legal_hold else ""
    reason = f" {agreement.status_reason}" if agreement.status_reason else ""
    return f"{stands}.{held}{reason}"


def _signed_text(body: tuple[Block, ...]) -> Iterator[Block]:
    for number, block in enumerate(body):
        rows = _labelled(block) if number == 0 else ()
        if rows:
            yield Facts(rows)
            continue
        if isinstance(block, Heading) and plain(block.text) == SCHEDULE_HEADING:
            yield NewPage()
        yield block


def _terms(terms: Terms, *, alone: bool) -> Iterator[Block]:
    title = "List of terms" if alone else f"List of terms: {NAMES[terms.clause]}"
    yield Heading(1, words(title))
    yield Paragraph(
        words(
            "The blanks of the clause and what stands in them, from the record. The text above binds; this list only "
            "helps to find a term."
        )
    )
    fields = {name: field for name, field in type(terms).model_fields.items() if name not in {"clause", "version"}}
    rows = tuple(
        (
            words(name.removesuffix("_bp").replace("_", " ").capitalize()),
            words(term_words(terms, name).strip().rstrip(",")),
            words(field.description or ""),
        )
        for name, field in fields.items()
    )
    head = (words("term"), words("as agreed"), words("meaning"))
    yield Table(head, rows, (False, False, False), title)


def _signatures(agreement: PrintedAgreement, stated: Mapping[str, str], file: str) -> Iterator[Block]:
    yield Heading(1, words("Signatures"))
    yield Paragraph(
        words(
            f"Agreement {agreement.reference}. Each side signs electronically, through a person who has the right to "
            "sign for the company, and each signature is kept with the fingerprint (SHA-256) of exactly the text that "
            "was signed."
        )
    )
    for signature in agreement.signatures:
        missing = "never signed" if agreement.status == "withdrawn" else "not signed yet"
        yield _panel(signature, agreement.zone, stated, "SHA-256 of the text", agreement.wording_sha256, missing)
    for framework in agreement.frameworks:
        yield Heading(2, words(f"Framework agreement {framework.reference}"))
        yield Paragraph(
            words(
                f"Signed once by the same two companies for every schedule under the clause {framework.clause}, version "
                f"{framework.version}."
            )
        )
        for signature in framework.signatures:
            yield _panel(
                signature, agreement.zone, stated, "SHA-256 of the clause", framework.clause_sha256, "not signed yet"
            )
    yield Heading(2, words("How to check this document"))
    yield Paragraph(
        words(
            f"The file {file} inside this PDF is the text that is signed. Its SHA-256 must be the one at the foot of "
            "every page. What stands outside of the two lines that say where the text begins and ends was made from "
            "the record and is no part of what is signed."
        )
    )
    if not all_visible(agreement.wording):
        yield Paragraph(
            words(
                "Some letters of the text are not in the typefaces of this document. They are written as their numbers "
                "in Unicode, such as [U+4E2D]; the file inside has them as they are."
            )
        )


def _panel(signature: Signature, zone: str, stated: Mapping[str, str], kind: str, sha256: str, missing: str) -> Panel:
    role = ROLES[signature.side]
    company = stated.get(role, signature.company)
    title = f"{role}: {company}"
    if signature.at is None:
        return Panel(title, (("Signature", words(missing, bold=True)),), done=False)
    utc = signature.at.astimezone(UTC)
    by = signature.by or f"a person of {signature.company}"
    rows = (
        ("Signed by", words(by, bold=signature.by is not None)),
        ("For", words(company)),
        ("On", words(f"{phrases.day(utc.date())}, {utc:%H:%M:%S} UTC")),
        ("Local time", words(f"{phrases.moment(signature.at, zone)} ({zone})")),
        (kind, words(sha256, code=True)),
    )
    return Panel(title, rows, done=True)
