"""Files that nobody else reads, written so that a power cut leaves the old one or the new one: keys, passwords, backups."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Writes a file that nobody else reads, whole or not at all."""
    waiting = path.with_name(f".{path.name}.new")
    descriptor = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    waiting.replace(path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Makes the names in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy_private(source: Path, target: Path) -> None:
    """Copies a file, or a folder with all that is in it, readable by nobody else."""
    if source.is_dir():
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        for one in sorted(source.iterdir()):
            copy_private(one, target / one.name)
        return
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as written, source.open("rb") as read:
        shutil.copyfileobj(read, written)
        written.flush()
        os.fsync(written.fileno())
