"""The clause library as files: is a clause version well formed, and what is its hash.

Works on the bytes of the four files of one ``contracts/<clause>/vN`` folder; whoever calls reads them.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from marketplace.agreements.examples import run_examples
from marketplace.agreements.prose import BLANK, blanks
from marketplace.agreements.terms import TERMS_TYPES, terms_schema

CLAUSE_FILES = ("clause.md", "terms.schema.json", "examples.yaml", "notes.md")
LEAST_EXAMPLES = 12
CLAUSE_NAME = re.compile(r"[a-z]+(-[a-z]+)*")
_STRAY_BRACE = re.compile(r"\{\{|\}\}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one file of a clause version."""

    file: str
    message: str


def digest_clause(files: Mapping[str, bytes]) -> str:
    """SHA-256 (hex) over the four files, each with its name and length, in a fixed order.

    Line ends count as LF, so that a checkout on another system has the same hash.
    """
    hasher = hashlib.sha256()
    for name in CLAUSE_FILES:
        content = files[name].replace(b"\r\n", b"\n")
        hasher.update(f"{name}\n{len(content)}\n".encode())
        hasher.update(content)
    return hasher.hexdigest()


def check_clause(clause: str, version: int, files: Mapping[str, bytes]) -> list[Problem]:
    """Everything wrong with one clause version; empty when it may be released."""
    if (clause, version) not in TERMS_TYPES:
        return [Problem("clause.md", f"The program has no terms type for {clause}/v{version}.")]
    problems = [Problem(name, "The file is missing.") for name in CLAUSE_FILES if name not in files]
    problems += [Problem(name, "There should be no such file.") for name in sorted(set(files) - set(CLAUSE_FILES))]
    texts: dict[str, str] = {}
    for name in CLAUSE_FILES:
        try:
            texts[name] = files.get(name, b"").decode("utf-8")
        except UnicodeDecodeError:
            problems.append(Problem(name, "The file is not UTF-8."))
    if problems:
        return problems
    return [
        *_check_text(clause, version, texts["clause.md"]),
        *_check_schema(clause, version, texts["terms.schema.json"]),
        *_check_examples(clause, version, texts["examples.yaml"]),
        *([] if texts["notes.md"].strip() else [Problem("notes.md", "Say what the clause is for.")]),
    ]


def _check_text(clause: str, version: int, text: str) -> list[Problem]:
    terms = set(TERMS_TYPES[clause, version].model_fields) - {"clause", "version"}
    used = blanks(text)
    problems = [Problem("clause.md", f"The blank {name} is not a term.") for name in sorted(used - terms)]
    problems += [Problem("clause.md", f"The term {name} has no blank.") for name in sorted(terms - used)]
    if _STRAY_BRACE.search(BLANK.sub("", text)):
        problems.append(Problem("clause.md", "There are double braces that are not a blank."))
    return problems


def _check_schema(clause: str, version: int, text: str) -> list[Problem]:
    try:
        schema: Any = json.loads(text)
    except json.JSONDecodeError as error:
        return [Problem("terms.schema.json", f"Not JSON: {error}.")]
    if schema != terms_schema(clause, version):
        return [Problem("terms.schema.json", "Differs from the JSON schema of the terms type.")]
    return []


def _check_examples(clause: str, version: int, text: str) -> list[Problem]:
    try:
        document: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        return [Problem("examples.yaml", f"Not YAML: {error}.")]
    if not isinstance(document, dict) or not isinstance(document.get("examples"), list):
        return [Problem("examples.yaml", "Needs 'terms' and a list 'examples'.")]
    problems = []
    if len(document["examples"]) < LEAST_EXAMPLES:
        problems.append(Problem("examples.yaml", f"Needs at least {LEAST_EXAMPLES} examples."))
    problems += [Problem("examples.yaml", failure) for failure in run_examples(clause, version, document)]
    return problems


def read_released(content: bytes) -> dict[tuple[str, int], str]:
    """``released.toml``: (clause, version) -> sha256 hex. Raises ValueError when it is malformed."""
    released: dict[tuple[str, int], str] = {}
    for clause, versions in tomllib.loads(content.decode()).items():
        for label, digest in versions.items():
            if not re.fullmatch(r"v[1-9][0-9]*", label) or not re.fullmatch(r"[0-9a-f]{64}", str(digest)):
                raise ValueError(f"released.toml: {clause}.{label} must be a version like v1 and a sha256")
            released[clause, int(label[1:])] = digest
    return released


def with_release(content: bytes, clause: str, version: int, digest: str) -> bytes:
    """``released.toml`` with one more version, everything else as it was."""
    lines = content.decode().rstrip("\n").split("\n")
    entry = f'v{version} = "{digest}"'
    head = f"[{clause}]"
    if head in lines:
        at = lines.index(head) + 1
        while at < len(lines) and lines[at].strip() and not lines[at].startswith("["):
            at += 1
        lines.insert(at, entry)
    else:
        lines += ["", head, entry]
    return ("\n".join(lines) + "\n").encode()


def as_next_version(clause: str, version: int, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The four files of a version as the next one starts from them: named after it, with notes of its own."""
    made = {name: files.get(name, b"") for name in CLAUSE_FILES}
    wording = made["clause.md"].decode()
    made["clause.md"] = wording.replace(
        f"({clause}, version {version})", f"({clause}, version {version + 1})", 1
    ).encode()
    examples = made["examples.yaml"].decode()
    made["examples.yaml"] = examples.replace(f"{clause}/v{version}", f"{clause}/v{version + 1}", 1).encode()
    made["notes.md"] = (
        f"# Notes on {clause}/v{version + 1}\n\n**Not released.** The text may still change; no agreement can be made under "
        f"it.\n\n**Intent.** As version {version}.\n\n**Changes from version {version}.** None yet.\n"
    ).encode()
    return made


def first_drafts(clause: str) -> dict[str, bytes]:
    """The four files of the first version of a clause, to be written."""
    title = clause.replace("-", " ").capitalize()
    return {
        "clause.md": f"# {title} ({clause}, version 1)\n\n## 1. Meaning of words\n".encode(),
        "terms.schema.json": b"{}\n",
        "examples.yaml": (
            f"# Worked examples of {clause}/v1. Every example starts from the terms and facts below and changes a few.\n"
            "terms: {}\nfacts: {}\nexamples: []\n"
        ).encode(),
        "notes.md": (
            f"# Notes on {clause}/v1\n\n**Not released.** The text may still change; no agreement can be made under it.\n\n"
            "**Intent.**\n"
        ).encode(),
    }
