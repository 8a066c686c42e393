"""What must hold of the ledger and its log at any time, how it is found out at little cost, and what is made of what was found.

The choice, at ten million transactions: only what an index answers. A run looks at the lots that the log says were touched since
the run before, at the next few thousand lots in the order of their ids (so that a row which was changed without a transaction is
found within days), and again at every lot in which something was found; of the log at its ends, its newest signature and the next
few thousand entries. What adds up everything at once stays with ``backstock ledger verify``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

EVERY: Final = timedelta(minutes=15)
OVERDUE: Final = timedelta(minutes=35)
"""Without a run for so long nobody is looking: the worker does not run, or cannot."""
LAG: Final = timedelta(minutes=5)
"""How long a transaction may wait to be sequenced, and a log that has grown to be signed, before somebody is told."""
WITNESS_LAG: Final = timedelta(days=1)
MOST_TOUCHED: Final = 20_000
"""Entries of the log whose lots are looked at in one run; what is beyond comes with the next."""
MOST_SWEPT: Final = 10_000
"""Lots that are looked at in the order of their ids in one run, touched or not."""
MOST_ENTRIES: Final = 4_096
"""Entries that are recomputed in one run: whole tiles of 256."""
CHUNK: Final = 50_000
"""Transactions that are added up in one statement: some tenths of a second, in a transaction of its own."""
TOO_LARGE: Final = 200_000
"""A family of lots with more transactions is left to ``backstock ledger verify``; the run says how many it left."""
MOST_FOUND: Final = 100
"""Findings that are kept of one check in one run."""
KEPT_WHOLE: Final = timedelta(days=14)
KEPT_DAILY: Final = timedelta(days=800)


class Outcome(StrEnum):
    """What a look came to: it holds; it holds and something is late; it does not hold."""

    HOLDS = "holds"
    LATE = "late"
    BROKEN = "broken"


class Invariant(NamedTuple):
    """One thing that must hold: ``check`` names the statement in queries/checks.py, for those of the lots."""

    key: str
    title: str
    words: str
    check: str | None = None


INVARIANTS: Final = (
    Invariant("sums", "Stock lines equal their transactions",
              "What a stock line holds is the sum of what came and what went.", "every stock line equals the sum of its transactions"),
    Invariant("balances", "Stock lines equal their last balance",
              "What a stock line holds is what its last transaction wrote down as left.",
              "every stock line equals the balance after its last transaction"),
    Invariant("reserved", "Reserved units equal the open reservations",
              "No unit is reserved without a reservation, and none twice.", "reserved quantities equal the open reservations"),
    Invariant("bounds", "Nothing is negative or promised beyond what is there",
              "Reserved is never more than there is, and there is never less than nothing.", "no more is reserved than there is"),
    Invariant("reservations", "Open reservations stand in the transactions",
              "Each open reservation is a transaction that nothing has answered yet.", "open reservations equal those in the transactions"),
    Invariant("answers", "Reservations are answered once",
              "What posts, voids or expires answers a reservation of at least as many units.",
              "what is answered is a reservation of as many units"),
    Invariant("numbering", "Transactions are numbered without gaps",
              "Each lot's transactions are 1, 2, 3 … up to its last number.", "transactions are numbered without gaps"),
    Invariant("order", "Transactions are recorded in order",
              "Of one lot, each transaction was recorded after the one before it.", "transactions of a lot are recorded in order"),
    Invariant("families", "Registered and found equal present and gone",
              "Splitting a lot makes and loses no unit.", "registered and found equal present and gone, per family of lots"),
    Invariant("never_negative", "No stock line was ever negative",
              "Also in the order in which things happened.", "no stock line was ever negative, in the order things happened"),
    Invariant("one_place", "A serial-numbered unit is in one place",
              "It stands on one stock line at most, once.", "a serial-numbered unit is in one place"),
    Invariant("log_size", "The log only grows",
              "It has as many entries as it says, each of one transaction, and is never smaller than it was."),
    Invariant("entries", "Entries of the log are those of the transactions",
              "Recomputed from the transactions, and compared with the tree, a few thousand at a time round and round."),
    Invariant("checkpoint", "What is signed is the log",
              "The newest checkpoint has the root of the tree and a signature that holds; all that was sequenced is signed."),
    Invariant("published", "The log goes on from what was published",
              "What the worker keeps outside of the database stands in it: the database was not set back."),
    Invariant("queue", "Transactions come into the log at once",
              "None waits longer than five minutes to be sequenced."),
    Invariant("witnesses", "Witnesses keep up",
              "Each has cosigned within a day of the log's growing. A witness is the program of the company that runs it."),
)  # fmt: skip
BY_KEY: Final = {one.key: one for one in INVARIANTS}
OF_LOTS: Final = tuple(one for one in INVARIANTS if one.check is not None)


class Finding(NamedTuple):
    """Where something does not hold: of lots the lot with the two numbers, of the log its place in ``number``."""

    key: str
    words: str
    lot_id: UUID | None = None
    number: int | None = None
    kept: int | None = None
    rebuilt: int | None = None


class Result(NamedTuple):
    """What one check came to in one run: how much it looked at, how much it found, how long it took, in words."""

    key: str
    outcome: Outcome
    looked: int
    found: int
    seconds: float
    words: str

    @property
    def title(self) -> str:
        """What must hold, in a few words."""
        return BY_KEY[self.key].title

    @property
    def meaning(self) -> str:
        """What must hold, in a sentence."""
        return BY_KEY[self.key].words


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the looking has come: the log's size up to which touched lots were looked at, the last lot of the sweep (None: it
    begins anew), the next entry to recompute, and how large log and newest checkpoint were."""

    touched: int | None = None
    swept: UUID | None = None
    entries: int = 0
    log_size: int = 0
    signed_size: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """How the log stands at one moment. ``waiting_since``, ``unsigned_since``: None where nothing waits or all is signed."""

    size: int
    signed: int
    waiting: int
    waiting_since: datetime | None
    unsigned_since: datetime | None
    signed_at: datetime | None


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The worst of them; ``HOLDS`` of none."""
    return max(outcomes, key=list(Outcome).index, default=Outcome.HOLDS)


def chunks(families: Sequence[tuple[UUID, Sequence[UUID], int]]) -> Iterator[tuple[list[UUID], int]]:
    """Lots to be added up together, with how many transactions they have: whole families (root, lots, transactions) in the order
    given, up to ``CHUNK`` transactions, more only where one family has. Those that are ``TOO_LARGE`` are left out."""
    lots: list[UUID] = []
    some = 0
    for _, members, transactions in families:
        if transactions > TOO_LARGE:
            continue
        if lots and some + transactions > CHUNK:
            yield lots, some
            lots, some = [], 0
        lots = [*lots, *members]
        some += transactions
    if lots:
        yield lots, some


def of_lots(key: str, looked: int, found: int, seconds: float, left_out: int) -> Result:
    """What a check of lots came to."""
    words = f"Lots looked at: {looked:,}"
    if found:
        words += f", and found in them: {found:,}"
    if left_out:
        words += f". Families of lots too large for this, left to 'backstock ledger verify': {left_out:,}"
    return Result(key, Outcome.BROKEN if found else Outcome.HOLDS, looked, found, seconds, f"{words}.")


def of_log(key: str, looked: int, findings: Sequence[Finding], seconds: float, good: str) -> Result:
    """What a check of the log came to: the words of what was found first, or that it is ``good``."""
    outcome = Outcome.BROKEN if findings else Outcome.HOLDS
    return Result(key, outcome, looked, len(findings), seconds, findings[0].words if findings else good)


def late(key: str, looked: int, seconds: float, words: str) -> Result:
    """Something that holds and is late."""
    return Result(key, Outcome.LATE, looked, 0, seconds, words)


def of_queue(standing: Standing, now: datetime, seconds: float) -> Result:
    """Whether transactions wait too long."""
    since = standing.waiting_since
    if since is None:
        return Result("queue", Outcome.HOLDS, 0, 0, seconds, "Nothing waits.")
    words = f"Waiting: {standing.waiting:,}, the oldest for {lasting(now - since)}"
    if now - since > LAG:
        return late(
            "queue", standing.waiting, seconds, f"{words}. Is the worker running, and does it say why it does not seal?"
        )
    return Result("queue", Outcome.HOLDS, standing.waiting, 0, seconds, f"{words}.")


def unsigned_too_long(standing: Standing, now: datetime) -> bool:
    """Whether the log has grown and nobody has signed it."""
    return standing.unsigned_since is not None and now - standing.unsigned_since > LAG


def lasting(span: timedelta) -> str:
    """A span in words of one unit: '42 s', '7 min', '3 h', '2 days'."""
    seconds = max(int(span.total_seconds()), 0)
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size:,} {unit}"
    return f"{seconds} s"


def nobody_looks(last: datetime | None, now: datetime) -> bool:
    """Whether the checks should have run long ago."""
    return last is None or now - last > OVERDUE


class Change(NamedTuple):
    """A check that came to something else than in the run before."""

    result: Result
    before: Outcome


def changes(before: Mapping[str, Outcome], results: Sequence[Result]) -> list[Change]:
    """What operators are told of: what got worse than it was, and what holds again. What stays as it is was told before; nothing
    is told of what holds from the beginning."""
    rank = list(Outcome).index
    found = [Change(r, before.get(r.key, Outcome.HOLDS)) for r in results]
    return [
        c
        for c in found
        if rank(c.result.outcome) > rank(c.before)
        or (c.result.outcome is Outcome.HOLDS and c.before is not Outcome.HOLDS)
    ]


def told(changed: Sequence[Change]) -> tuple[str, str]:
    """The mail about it: subject and text."""
    bad = [c for c in changed if c.result.outcome is not Outcome.HOLDS]
    broken = [c for c in bad if c.result.outcome is Outcome.BROKEN]
    if broken:
        subject = f"ALARM: the ledger does not add up: {broken[0].result.title.lower()}"
    elif bad:
        subject = f"The ledger's log is late: {bad[0].result.title.lower()}"
    else:
        subject = f"The ledger holds again: {changed[0].result.title.lower()}"
    if len(changed) > 1:
        subject += f" (and {len(changed) - 1} more)"
    state = {Outcome.BROKEN: "does not hold", Outcome.LATE: "late", Outcome.HOLDS: "holds again"}
    lines = [f"- {c.result.title}: {state[c.result.outcome]}. {c.result.words}" for c in changed]
    text = "The checks that run every 15 minutes came to something else than before:\n\n" + "\n".join(lines)
    if broken:
        text += (
            "\n\nWhere exactly stands on the status page for operators. 'backstock ledger verify' recomputes everything and "
            "names it as well. This is told once; another mail follows when it holds again."
        )
    return subject, text
