"""What the evaluator says against an act, as an error."""

from __future__ import annotations

from datetime import datetime

from marketplace.agreements.outcomes import AfterNotice, Refused
from marketplace.kit.canonical import instant
from marketplace.kit.errors import DomainError, conflict


def refusal(answer: Refused | AfterNotice) -> DomainError:
    """What the evaluator says, as an error: its code, its words, what would have to happen first."""
    if isinstance(answer, Refused):
        words = f"{answer.words} {answer.until_words}".strip()
        return conflict(f"agreement.{answer.code.value}", words, possible_from=_text(answer.possible_from))
    return conflict(
        "agreement.ask_first",
        answer.words,
        needs=answer.needs.value,
        clear_from=_text(answer.clear_from),
        clear_until=_text(answer.clear_until),
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else instant(moment)
