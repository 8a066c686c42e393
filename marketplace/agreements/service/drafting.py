"""Writing in the folder contracts/: a new version of a clause to start from, and the release of one that is finished."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from marketplace.agreements.library import (
    CLAUSE_FILES,
    CLAUSE_NAME,
    as_next_version,
    check_clause,
    digest_clause,
    first_drafts,
    read_released,
    with_release,
)
from marketplace.agreements.terms import TERMS_TYPES, terms_schema
from marketplace.kit.errors import conflict, invalid, missing


def new_version(folder: Path, clause: str) -> Path:
    """Makes ``<clause>/v<N+1>`` beside the newest version, as a copy of it, or the first version of a new clause, and returns
    its folder. Nothing that is there is touched. Raises ``contracts.folder``, ``contracts.name``, ``contracts.unfinished``
    while the newest version is not released."""
    if not (folder / "released.toml").is_file():
        raise invalid("contracts.folder", f"{folder} is no clause library: it has no released.toml.")
    if not CLAUSE_NAME.fullmatch(clause):
        raise invalid(
            "contracts.name", f"'{clause}' is no name for a clause: small letters and hyphens, such as buy-back."
        )
    released = read_released((folder / "released.toml").read_bytes())
    versions = versions_in(folder, clause)
    newest = max(versions, default=0)
    if newest and (clause, newest) not in released:
        raise conflict(
            "contracts.unfinished",
            f"{clause}/v{newest} is not released yet: change that one instead of making another.",
        )
    target = folder / clause / f"v{newest + 1}"
    source = folder / clause / f"v{newest}"
    files = as_next_version(clause, newest, _read(source)) if newest else first_drafts(clause)
    if (clause, newest + 1) in TERMS_TYPES:
        schema = json.dumps(terms_schema(clause, newest + 1), indent=2, ensure_ascii=False)
        files["terms.schema.json"] = f"{schema}\n".encode()
    try:
        target.mkdir(parents=True)
        for name, content in files.items():
            (target / name).write_bytes(content)
    except OSError:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return target


def release_version(folder: Path, clause: str, version: int) -> str:
    """Writes the hash of a finished version into ``released.toml`` and returns it; from then on its files never change.
    Raises ``contracts.folder``, ``clause.not_found``, ``clause.problems`` naming everything wrong, ``clause.changed`` if it is
    released with other contents."""
    known = folder / "released.toml"
    if not known.is_file():
        raise invalid("contracts.folder", f"{folder} is no clause library: it has no released.toml.")
    content = known.read_bytes()
    released = read_released(content)
    place = folder / clause / f"v{version}"
    if not CLAUSE_NAME.fullmatch(clause) or not place.is_dir():
        raise missing("clause.not_found", f"There is no {clause}/v{version} in {folder}.")
    files = _read(place)
    problems = check_clause(clause, version, files)
    if problems:
        words = "; ".join(f"{p.file}: {p.message}" for p in problems)
        raise invalid("clause.problems", f"{clause}/v{version} cannot be released: {words}")
    digest = digest_clause(files)
    before = released.get((clause, version))
    if before == digest:
        return digest
    if before is not None:
        raise conflict(
            "clause.changed",
            f"{clause}/v{version} is released with other contents. Put it back, and make a new version instead.",
        )
    # A whole file or none: a list of releases that was cut off would make every release look new.
    draft = known.with_name(".released.toml.new")
    draft.write_bytes(with_release(content, clause, version, digest))
    draft.replace(known)
    return digest


def versions_in(folder: Path, clause: str) -> list[int]:
    """The versions of a clause that have a folder, in order."""
    found = (p.name[1:] for p in (folder / clause).glob("v[1-9]*") if p.is_dir())
    return sorted(int(name) for name in found if name.isdecimal())


def _read(place: Path) -> dict[str, bytes]:
    files = {f.name: f.read_bytes() for f in sorted(place.iterdir()) if f.is_file() and not f.name.startswith(".")}
    return {name: files[name] for name in (*CLAUSE_FILES, *sorted(set(files) - set(CLAUSE_FILES))) if name in files}
