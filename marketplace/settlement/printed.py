"""A statement as a paper to print and keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal

from marketplace.documents.blocks import Block, Facts, Heading, Paper, Paragraph, Table, Text, words
from marketplace.kit.money import Money
from marketplace.settlement.kinds import KIND_WORDS
from marketplace.settlement.months import ENTRY_WORDS, Balance, Entry, Statement, running

HEAD = ("Counts since", "What", "Reference", "About", "In our favour", "Against us", "Balance")
_RIGHT = (False, False, False, False, True, True, True)


def statement_paper(found: Statement, entries: Sequence[Entry]) -> Paper:
    """The paper of a statement; ``entries`` by currency, then by the moment since which each counts. Of the same closed month
    the same paper is made at any time."""
    month = found.month
    return Paper(
        title=f"Statement {month.words}",
        subtitle=f"{found.company} with {found.other}",
        author=found.company,
        running=f"Statement {month}: {found.company} with {found.other}",
        foot=f"As known at the end of {month.words}, UTC" if found.final else f"{month.words} so far; not final",
        stamp=None if found.final else "Not final",
        blocks=tuple(_blocks(found, entries)),
        made_at=month.end,
    )  # fmt: skip


def _blocks(found: Statement, entries: Sequence[Entry]) -> Iterator[Block]:
    month = found.month
    yield Facts(
        (
            ("Of", words(found.company, bold=True)),
            ("With", words(found.other, bold=True)),
            ("Month", words(f"{month.words}, 1 to {month.last.day}, days in UTC")),
        )
    )
    yield Paragraph(
        words(
            f"What {found.company} and {found.other} owed and paid each other, as it was known at the end of the month. A "
            "payment counts since both sides say that it was made; what became known later stands in the month in which it "
            f"did. In our favour: in favour of {found.company}."
        )
    )
    if not found.balances:
        yield Paragraph(words("Nothing happened in this month, and nothing is open."))
    by_currency: Mapping[str, list[Entry]] = {b.currency: [] for b in found.balances}
    for entry in entries:
        by_currency[entry.currency].append(entry)
    for balance in found.balances:
        yield Heading(1, words(balance.currency))
        yield Facts(tuple((label, words(text, bold=strong)) for label, text, strong in summary(balance)))
        told = by_currency[balance.currency]
        if told:
            yield _table(balance, told)


def summary(balance: Balance) -> tuple[tuple[str, str, bool], ...]:
    """The balance line by line: label, amount in words, whether it is one of the two balances."""
    parts = (
        ("Lines", balance.lines), ("Credits", balance.credits), ("Payments", balance.payments),
        ("Payments taken back", balance.taken_back),
    )  # fmt: skip
    rows = [("Opening balance", side(balance.opening, balance.currency), True)]
    rows += [(label, side(amount, balance.currency), False) for label, amount in parts if amount]
    if balance.set_off:
        rows.append(("Set off on both sides", str(Money(balance.set_off, balance.currency).rounded()), False))
    return (*rows, ("Closing balance", side(balance.closing, balance.currency), True))


def side(amount: Decimal, currency: str) -> str:
    """'120.00 USD in our favour', 'nothing'."""
    if not amount:
        return "nothing"
    return f"{Money(abs(amount), currency).rounded()} {'in our favour' if amount > 0 else 'against us'}"


def _table(balance: Balance, entries: Sequence[Entry]) -> Table:
    def amount(value: Decimal) -> Text:
        return words(Money(value, balance.currency).rounded().plain if value else "")

    rows = tuple(
        (
            words(_day(entry.known_at.date())), words(entry_words(entry)), words(entry.reference), words(entry.about),
            amount(entry.in_favour), amount(entry.against), words(Money(after, balance.currency).rounded().plain),
        )
        for entry, after in zip(entries, running(entries, balance.opening), strict=True)
    )  # fmt: skip
    return Table(tuple(words(text) for text in HEAD), rows, _RIGHT, f"Entries in {balance.currency}")


def entry_words(entry: Entry) -> str:
    """What an entry is: of a line what it is owed for."""
    if entry.what in {"line", "credit"}:
        return KIND_WORDS.get(entry.kind, entry.kind)
    words_ = ENTRY_WORDS[entry.what]
    return f"{words_}: {'set-off' if entry.kind == 'set_off' else 'payment'}" if entry.what == "taken_back" else words_


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"
