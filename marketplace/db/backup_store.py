"""The folder that backups are kept in: what lies where, which are whole, which write-ahead log belongs to them, what may go.

``base/<time>/`` is one backup: ``pg/`` as pg_basebackup wrote it, ``folder/`` what belongs to it of the data folder, and
``backup.json`` with the checksum of each. It has its name only when it is whole: before, it is ``base/.making-<time>``. ``wal/``
holds the write-ahead log since the oldest, ``rounds`` says up to when, ``sums`` the checksum of each segment; ``log/`` what the log
has published, as it was copied last.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from marketplace.db.private_files import sync, write_private
from marketplace.kit.errors import conflict, invalid, missing

SEGMENT: Final = re.compile(r"[0-9A-F]{24}")
SEGMENTS_EACH: Final = 256
"""Segments of 16 MB to one number of the middle part of a name."""
STAMP: Final = "%Y-%m-%dT%H-%M-%SZ"
MAKING: Final = ".making-"


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that is whole. ``files``: checksum by path of everything that pg_basebackup's own manifest does not cover, and of
    that manifest."""

    name: str
    started_at: str
    ended_at: str
    system: str
    timeline: int
    first_segment: str
    schema: str
    size_bytes: int
    log_size: int
    files: dict[str, str]

    @property
    def ended(self) -> datetime:
        """From when on a time can be restored from it."""
        return datetime.fromisoformat(self.ended_at)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def next_segment(name: str) -> str:
    """The name of the segment of 16 MB behind one."""
    number = int(name[8:16], 16) * SEGMENTS_EACH + int(name[16:], 16) + 1
    return f"{name[:8]}{number // SEGMENTS_EACH:08X}{number % SEGMENTS_EACH:08X}"


class Store:
    """One such folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().absolute()
        self.base, self.wal, self.log = (self.folder / name for name in ("base", "wal", "log"))

    def prepare(self) -> None:
        """Makes the folder where it is not there. Raises ``backup.folder``."""
        try:
            for one in (self.folder, self.base, self.wal, self.log):
                one.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise invalid("backup.folder", f"{error.filename} cannot be made: {error.strerror}.") from None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else writes here meanwhile. Raises ``backup.busy`` at once where somebody does."""
        descriptor = os.open(self.folder / ".lock", os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise conflict("backup.busy", f"Another backup writes into {self.folder}. Wait for it.") from None
            yield

    # -- backups ---------------------------------------------------------------------------------------------

    def backups(self) -> list[Made]:
        """Those that are whole, the oldest first. Raises ``backup.damaged`` for one whose description cannot be read."""
        found = []
        for place in sorted(self.base.iterdir()) if self.base.is_dir() else []:
            if place.name.startswith("."):
                continue
            try:
                found.append(Made(**json.loads((place / "backup.json").read_text("utf-8"))))
            except (OSError, ValueError, TypeError) as error:
                raise conflict(
                    "backup.damaged",
                    f"{place / 'backup.json'} cannot be read ({error}): this backup is damaged. Move its folder away to use the others.",
                ) from None
        return found

    def before(self, moment: datetime) -> Made:
        """The newest backup that ended before a moment. Raises ``backup.none``, saying from when on there is one."""
        all_of_them = self.backups()
        if not all_of_them:
            begun = sorted(p.name.removeprefix(MAKING) for p in self.base.glob(f"{MAKING}*"))
            broken = f" One that was begun at {begun[-1]} is not finished, and is none." if begun else ""
            raise missing("backup.none", f"There is no whole backup in {self.folder}.{broken}")
        found = [b for b in all_of_them if b.ended <= moment]
        if not found:
            raise missing(
                "backup.none",
                f"The oldest backup in {self.folder} ended at {all_of_them[0].ended_at}: an earlier time cannot be restored from it.",
            )
        return found[-1]

    def begin(self, started: datetime) -> Path:
        """A folder for a backup to be written into. Leftovers of some that were never finished go."""
        for left in self.base.glob(".*"):
            shutil.rmtree(left, ignore_errors=True)
        place = self.base / f"{MAKING}{started.strftime(STAMP)}"
        place.mkdir(mode=0o700)
        return place

    def finish(self, place: Path, **described: Any) -> Made:
        """Describes what was written and gives it its name: from then on it is one of the backups."""
        files = {
            str(p.relative_to(place)): sha256_of(p)
            for p in [place / "pg" / "backup_manifest", *sorted((place / "folder").rglob("*"))]
            if p.is_file()
        }
        size = sum(p.stat().st_size for p in place.rglob("*") if p.is_file())
        made = Made(name=place.name.removeprefix(MAKING), size_bytes=size, files=files, **described)
        write_private(place / "backup.json", json.dumps(asdict(made), indent=1))
        place.rename(self.base / made.name)
        sync(self.base)
        return made

    def place_of(self, made: Made) -> Path:
        """The folder of a backup."""
        return self.base / made.name

    def check_files(self, made: Made) -> None:
        """Compares every file that our own description names. Raises ``backup.damaged``, naming the file."""
        for name, known in made.files.items():
            path = self.place_of(made) / name
            if not path.is_file():
                raise conflict("backup.damaged", f"The backup {made.name} is damaged: {name} is missing.")
            if sha256_of(path) != known:
                raise conflict("backup.damaged", f"The backup {made.name} is damaged: {name} is not what was written.")

    def keep(self, most: int) -> list[str]:
        """Removes all but the newest ``most`` backups, and the write-ahead log that only they needed. Returns their names."""
        all_of_them = self.backups()
        gone = all_of_them[:-most]
        for one in gone:
            # Renamed first: what is half removed is no backup any more.
            waiting = self.base / f".removing-{one.name}"
            self.place_of(one).rename(waiting)
            shutil.rmtree(waiting, ignore_errors=True)
        if gone:
            first = all_of_them[-most].first_segment
            sums = {name: known for name, known in self.sums().items() if name >= first}
            write_private(self.wal / "sums", "".join(f"{known} {name}\n" for name, known in sums.items()))
            for path in self.wal.iterdir():
                if SEGMENT.fullmatch(path.name) and path.name < first:
                    path.unlink()
        return [one.name for one in gone]

    # -- the write-ahead log ---------------------------------------------------------------------------------

    def segments(self) -> list[str]:
        """The whole segments that are there, in order."""
        return sorted(p.name for p in self.wal.iterdir() if SEGMENT.fullmatch(p.name)) if self.wal.is_dir() else []

    def sums(self) -> dict[str, str]:
        """The checksum of each, by name."""
        with contextlib.suppress(FileNotFoundError):
            lines = (line.split(" ") for line in (self.wal / "sums").read_text().splitlines())
            return {name: digest for digest, name in lines}
        return {}

    def rounds(self) -> list[tuple[datetime, str]]:
        """Up to when write-ahead log was taken, and the segment it ended in, the oldest first."""
        try:
            lines = (self.wal / "rounds").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [(datetime.fromisoformat(at), segment) for at, _, segment in (line.partition(" ") for line in lines)]

    def taken(self, moment: datetime, segment: str) -> None:
        """Notes that everything up to a moment is there, with the checksums of the segments that became whole."""
        known = self.sums()
        new = {name: sha256_of(self.wal / name) for name in self.segments() if name not in known}
        if new:
            sums = "".join(f"{digest} {name}\n" for name, digest in {**known, **new}.items())
            write_private(self.wal / "sums", sums)
        rounds = [*self.rounds(), (moment, segment)]
        # One for each segment says as much as many: the last moment at which it was the newest.
        kept = [
            r for r, following in zip(rounds, [*rounds[1:], None], strict=True) if not following or following[1] != r[1]
        ]
        write_private(self.wal / "rounds", "".join(f"{at.isoformat()} {name}\n" for at, name in kept))

    def reaches(self) -> datetime | None:
        """The latest time that can be restored."""
        rounds = self.rounds()
        return rounds[-1][0] if rounds else None

    def needed(self, made: Made, moment: datetime | None) -> list[Path]:
        """The segments from a backup's first one on that are needed to come to a moment (None: to the end), checked. Raises
        ``backup.reach`` where the moment lies beyond what was taken, ``backup.wal`` where one is missing or damaged."""
        reach = self.reaches()
        if reach is None or (moment is not None and moment > reach):
            raise conflict(
                "backup.reach",
                f"The write-ahead log in {self.folder} reaches to {reach.isoformat(timespec='seconds') if reach else 'nowhere'}. "
                "Say an earlier time, or --to latest.",
            )
        last = next(segment for at, segment in self.rounds() if moment is None or at >= moment)
        if moment is None:
            last = self.rounds()[-1][1]
        known, found, name = self.sums(), [], made.first_segment
        while True:
            path = self.wal / name
            if path.is_file():
                if name in known and sha256_of(path) != known[name]:
                    raise conflict(
                        "backup.wal",
                        f"The write-ahead log is damaged: {path} is not what was written. Restore an earlier time.",
                    )
            elif (path := self.wal / f"{name}.partial").is_file():
                pass
            else:
                raise conflict(
                    "backup.wal",
                    f"The write-ahead log has a gap: {name} is missing in {self.wal}. A time before it can be restored, or one after the "
                    "next backup.",
                )
            found.append(path)
            if name >= last:
                return found
            name = next_segment(name)


def utc(text: str) -> datetime:
    """A moment as a person writes it: with its offset, or in UTC. Raises ``backup.time``."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise invalid(
            "backup.time", f"'{text}' is no time. Write it like 2026-11-30T14:05:00Z, or 'latest'.", field="to"
        ) from None
