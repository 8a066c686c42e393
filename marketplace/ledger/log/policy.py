"""Which keys of a log are trusted and how many witnesses must have seen a checkpoint (C2SP tlog-policy files)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from marketplace.ledger.log.notes import COSIGNATURE, ED25519, Key, NoteError, parse_vkey

NONE: Final = "none"
MOST_LINES: Final = 1_000


class PolicyError(ValueError):
    """A policy that cannot be read; the words name the line and what is wrong with it."""


@dataclass(slots=True)
class Policy:
    """Trusted keys of logs, witnesses by name, groups (members needed, members), and what must have cosigned."""

    logs: list[Key] = field(default_factory=list)
    witnesses: dict[str, Key] = field(default_factory=dict)
    groups: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    quorum: str = NONE

    def satisfied(self, cosigned: Collection[Key]) -> bool:
        """Whether those who have cosigned are enough."""
        return self.quorum == NONE or self._stands(self.quorum, frozenset(cosigned))

    def _stands(self, name: str, cosigned: frozenset[Key]) -> bool:
        if name in self.witnesses:
            return self.witnesses[name] in cosigned
        needed, members = self.groups[name]
        return sum(self._stands(member, cosigned) for member in members) >= needed

    @property
    def words(self) -> str:
        """What is needed, for people."""
        if self.quorum == NONE:
            return "no witness is needed"
        if self.quorum in self.witnesses:
            return f"witness {self.quorum} must have cosigned"
        needed, members = self.groups[self.quorum]
        return f"{needed} of {', '.join(members)} must have cosigned"


def _key(text: str, kind: int, what: str, number: int) -> Key:
    try:
        key = parse_vkey(text)
    except NoteError as error:
        raise PolicyError(f"Line {number}: {error}") from None
    if key.kind != kind:
        raise PolicyError(f"Line {number}: this key is not of the kind that a {what} has.")
    return key


def parse_policy(text: str) -> Policy:
    """The policy in a file's text. Raises PolicyError."""
    policy = Policy()
    used: set[str] = set()
    quorum: str | None = None
    lines = text.split("\n")
    if len(lines) > MOST_LINES:
        raise PolicyError(f"A policy has at most {MOST_LINES:,} lines.")
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        match words:
            case ["log", vkey] | ["log", vkey, _]:
                key = _key(vkey, ED25519, "log", number)
                if any(key.public == known.public for known in policy.logs):
                    raise PolicyError(f"Line {number}: this log stands here twice.")
                policy.logs.append(key)
            case ["witness", name, vkey] | ["witness", name, vkey, _]:
                key = _key(vkey, COSIGNATURE, "witness", number)
                _new(policy, name, number)
                if any(key.public == known.public for known in policy.witnesses.values()):
                    raise PolicyError(f"Line {number}: this witness stands here twice.")
                policy.witnesses[name] = key
            case ["group", name, needed, *members] if members:
                _new(policy, name, number)
                for member in members:
                    if member not in policy.witnesses and member not in policy.groups:
                        raise PolicyError(f"Line {number}: {member} is neither a witness nor a group above this line.")
                    if member in used:
                        raise PolicyError(f"Line {number}: {member} is in a group already.")
                    used.add(member)
                count = {"all": len(members), "any": 1}.get(needed) or (int(needed) if needed.isdecimal() else 0)
                if not 1 <= count <= len(members):
                    raise PolicyError(f"Line {number}: needed are all, any, or 1 to {len(members)}, not {needed}.")
                policy.groups[name] = (count, tuple(members))
            case ["quorum", name]:
                if quorum is not None:
                    raise PolicyError(f"Line {number}: there is one quorum line, not two.")
                if name != NONE and name not in policy.witnesses and name not in policy.groups:
                    raise PolicyError(f"Line {number}: {name} is neither a witness nor a group above this line.")
                quorum = name
            case _:
                raise PolicyError(f"Line {number}: '{line.strip()[:40]}' is no line of a policy.")
    if quorum is None:
        raise PolicyError("A policy has a quorum line: 'quorum none' where no witness is needed.")
    policy.quorum = quorum
    return policy


def _new(policy: Policy, name: str, number: int) -> None:
    if name == NONE or name in policy.witnesses or name in policy.groups:
        raise PolicyError(f"Line {number}: the name {name} is taken.")
