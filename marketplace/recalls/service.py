"""The verbs of recalls: put in force, read, answer, lift; and telling those whom it concerns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from marketplace.agreements.phrases import day
from marketplace.db.session import WriteSession, execute, fetch_value
from marketplace.kit.errors import conflict, forbidden, invalid, missing
from marketplace.kit.ids import short_reference
from marketplace.outbox.service import emit, emit_to_each
from marketplace.parties.actor import Actor
from marketplace.parts.queries import part
from marketplace.recalls import queries
from marketplace.recalls.queries import ToTell
from marketplace.recalls.scope import DISPOSITION_WORDS, KIND_WORDS, Answer, Reach, Scope, check_answer, in_sum

TOLD: Final = ("admin", "planner", "buyer", "warehouse")
"""Who of a holder is told: who acts on units."""
AT_ONCE: Final = 1_000
"""So many companies are told in one transaction."""
MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class InForce:
    """What a hold reached when it was put in force: how many holders, and all of them together."""

    id: UUID
    reference: str
    holders: int
    reach: Reach


def _say(text: str, words: str, field: str, *, most: int = MOST, required: bool = True) -> str:
    said = text.strip()
    if (required and not said) or len(said) > most:
        raise invalid("recall.words", f"Give {words}, in at most {most:,} characters.", field=field)
    return said


async def _made_by(session: WriteSession, actor: Actor, part_id: UUID) -> None:
    catalogued = await part(session, part_id)
    if catalogued.maker_company_id != actor.company_id:
        raise forbidden("recall.not_maker", "Only the maker of a part can stop it at all holders.")


async def look_ahead(session: WriteSession, actor: Actor, part_id: UUID, scope: Scope) -> tuple[int, Reach]:
    """At how many holders a hold would stop what, before it is put in force. Raises ``recall.not_maker``."""
    await _made_by(session, actor, part_id)
    found = await queries.preview(session, part_id, scope)
    return len(found), in_sum(found)


async def put_in_force(
    session: WriteSession,
    actor: Actor,
    *,
    part_id: UUID,
    scope: Scope,
    kind: str,
    reason: str,
    instruction: str,
    document: str,
    answer_by: datetime,
    now: datetime,
) -> InForce:
    """Stops units of a part that the actor's company makes wherever they are, whoever owns them; also those that come on record
    later. Whoever has or had such units is told.

    A constant number of statements, however many lots and holders. Raises ``recall.not_maker``, ``recall.words``,
    ``recall.answer_by``.
    """
    await _made_by(session, actor, part_id)
    if answer_by <= now:
        raise invalid("recall.answer_by", "Give holders a day to answer by that lies ahead.", field="answer_by")
    if kind not in KIND_WORDS:
        raise invalid("recall.kind", f"A hold is one of: {', '.join(KIND_WORDS)}.", field="kind")
    reference = short_reference("RC" if kind == "recall" else "QH")
    made: UUID = await fetch_value(
        session,
        "INSERT INTO recall (maker_id, reference, part_id, kind, batch, serial_from, serial_to, serials, reason, instruction, "
        "document, answer_by, put_by, put_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING id",
        actor.company_id, reference, part_id, kind, scope.batch, scope.serial_from, scope.serial_to,
        list(scope.serials) if scope.serials else None, _say(reason, "the reason", "reason"),
        _say(instruction, "what holders are to do", "instruction"),
        _say(document, "the number or address of your document", "document", most=200, required=False), answer_by, actor.user_id,
        now,
    )  # fmt: skip
    await execute(session, "SELECT recall_put($1, $2)", made, now)
    found = await queries.preview(session, part_id, scope)
    await emit(
        session,
        "recall.put",
        "recall",
        made,
        [actor.company_id],
        {"reference": reference, "kind": kind, "holders": len(found)},
    )
    return InForce(made, reference, len(found), in_sum(found))


async def note_read(session: WriteSession, actor: Actor, recall_id: UUID, now: datetime) -> None:
    """Somebody of a holder has opened it; the first time is kept."""
    await execute(
        session,
        "INSERT INTO recall_read (recall_id, holder_id, maker_id, read_by, read_at) SELECT h.recall_id, h.holder_id, h.maker_id, "
        "$3, $4 FROM recall_holder h WHERE h.recall_id = $1 AND h.holder_id = $2 ON CONFLICT DO NOTHING",
        recall_id, actor.company_id, actor.user_id, now,
    )  # fmt: skip


async def answer(session: WriteSession, actor: Actor, recall_id: UUID, given: Answer, *, now: datetime) -> None:
    """The actor's company says what it found. A further answer stands beside the first; the newest counts.

    Raises ``recall.not_found``, ``recall.not_concerned``, ``recall.lifted``, ``recall.answer``."""
    row = await queries.recall_for_update(session, actor, recall_id, now)
    own = await queries.own_part(session, actor, recall_id)
    if own is None:
        raise forbidden("recall.not_concerned", "Your company has none of these units and never had.")
    if not row.stands:
        raise conflict("recall.lifted", f"{row.reference} has been lifted: there is nothing left to answer.")
    check_answer(given, own.reach.asked, now.date())
    await note_read(session, actor, recall_id, now)
    await execute(
        session,
        "INSERT INTO recall_answer (recall_id, holder_id, maker_id, asked, found, set_aside, used_before, used_on, not_here, note, "
        "answered_by, answered_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        recall_id, actor.company_id, row.maker_id, own.reach.asked, given.found, given.set_aside, given.used_before, given.used_on,
        given.not_here, _say(given.note, "a note", "note", most=500, required=False), actor.user_id, now,
    )  # fmt: skip
    await emit(
        session, "recall.answered", "recall", recall_id, [row.maker_id, actor.company_id],
        {"reference": row.reference, "found": given.found, "set_aside": given.set_aside, "asked": own.reach.asked},
    )  # fmt: skip


async def lift(
    session: WriteSession, actor: Actor, recall_id: UUID, scope: Scope, *, disposition: str, reason: str, now: datetime
) -> int:
    """The hold ends, for all units or some, with what is to become of them; every holder is told. Units that another hold covers
    stay stopped. Answers how many lots it let go.

    Raises ``recall.not_found``, ``recall.not_yours``, ``recall.lifted``, ``recall.nothing``, ``recall.words``."""
    row = await queries.recall_for_update(session, actor, recall_id, now)
    if not row.mine:
        raise forbidden("recall.not_yours", f"Only {row.maker} can lift {row.reference}.")
    if not row.stands:
        raise conflict("recall.lifted", f"{row.reference} has been lifted already.")
    if disposition not in DISPOSITION_WORDS:
        raise invalid(
            "recall.disposition", f"Say what becomes of them: {', '.join(DISPOSITION_WORDS)}.", field="disposition"
        )
    made: UUID = await fetch_value(
        session,
        "INSERT INTO recall_lift (recall_id, maker_id, batch, serial_from, serial_to, serials, whole, disposition, reason, "
        "lifted_by, lifted_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id",
        recall_id, actor.company_id, scope.batch, scope.serial_from, scope.serial_to,
        list(scope.serials) if scope.serials else None, scope.whole, disposition, _say(reason, "the reason", "reason"),
        actor.user_id, now,
    )  # fmt: skip
    freed: int = await fetch_value(session, "SELECT recall_lifted($1, $2)", made, now)
    if not freed and not scope.whole:
        raise missing("recall.nothing", f"{row.reference} stops no unit of {scope.words} now. Nothing was lifted.")
    await emit(
        session, "recall.lifted", "recall", recall_id, [actor.company_id],
        {"reference": row.reference, "lots": freed, "disposition": disposition},
    )  # fmt: skip
    return freed


async def tell_untold(session: WriteSession, now: datetime) -> int:
    """Tells the companies that a hold, or an end of one, concerns and that were not told yet (worker): an event for each, which
    carries its mail. Returns how many. Three statements."""
    found = await queries.untold_noted(session, TOLD, now, AT_ONCE)
    for name, some in (
        ("recall.told", [t for t in found if t.lift_id is None]),
        ("recall.ended", [t for t in found if t.lift_id is not None]),
    ):
        # Each company's events are in a row of their own: one mail that cannot be delivered holds up no other's.
        await emit_to_each(session, name, "recall_holder", [(t.holder_id, [t.holder_id], _payload(t)) for t in some])
    return len(found)


def _payload(told: ToTell) -> dict[str, object]:
    name = f"{KIND_WORDS[told.kind]} {told.reference}"
    what = f"{told.number}, {told.scope.words}"
    if told.lift_id is None:
        subject = f"{name}: stop using {told.number}"
        text = (
            f"{told.maker} stops {what}.\n\nWhy: {told.reason}\nWhat to do: {told.instruction}\n\nYou have or had such units. They cannot "
            f"be used, sold or shipped until this is lifted. Say what you found by {day(told.answer_by.date())}."
        )
    else:
        subject = f"{name} lifted: {told.number}"
        text = f"{told.maker} lifts it for {what}.\n\nWhy: {told.lift_reason}\n{DISPOSITION_WORDS[told.disposition or 'released']}."
    payload: dict[str, object] = {"recall_id": str(told.recall_id), "reference": told.reference}
    if told.to:
        payload["mail"] = {"to": told.to, "subject": subject, "text": text, "link": f"/recalls/{told.recall_id}"}
    return payload
