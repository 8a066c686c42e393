"""The rules of the architecture that import-linter cannot say: the closed list of file names, the purity of the
core, who may import models, where locks and commits may stand."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MARKETPLACE = ROOT / "marketplace"
DOMAINS = (
    "parties", "parts", "ledger", "agreements", "safeguards", "holdings", "settlement", "listings", "orders", "sourcing", "obligations", "planning", "imports",
    "notifications", "activity", "advising", "watching", "documents", "outbox", "jobs",
)  # fmt: skip
LISTED = frozenset({"endpoints", "schemas", "permissions", "service", "queries", "models", "tasks"})
# Edges declared in the open (README, decisions): the file reader is to files what db/ is to the database, and the
# typesetter is a program of its own.
IO_EDGES = ("marketplace/imports/files/", "marketplace/documents/typesetter.py")
# Pure libraries the core may use: they compute, and touch neither files, network, clock nor database.
PURE_LIBRARIES = frozenset(
    {
        "pydantic",
        "pydantic_core",
        "annotated_types",
        "biip",
        "segno",
        "ortools",
        "markdown_it",
        "yaml",
        "typing_extensions",
        "icalendar",
        "holidays",
        "cryptography",
        "numpy",
        "PIL",
        "scipy",
    }
)
FORBIDDEN_STDLIB = frozenset(
    [
        "asyncio",
        "socket",
        "subprocess",
        "os",
        "shutil",
        "tempfile",
        "pathlib",
        "urllib",
        "http",
        "ssl",
        "sqlite3",
        "threading",
        "multiprocessing",
        "time",
        "random",
        "secrets",
        "logging",
        "selectors",
        "signal",
    ]
)
CLOCK_CALLS = re.compile(r"datetime\.(now|utcnow|today)\(|date\.today\(|time\.(time|monotonic|perf_counter)\(")


def modules(*domains: str) -> Iterator[Path]:
    for domain in domains:
        yield from sorted((MARKETPLACE / domain).rglob("*.py"))


def kind_of(path: Path) -> str:
    """The listed name a module falls under, or 'core'."""
    parts = path.relative_to(MARKETPLACE).with_suffix("").parts[1:]
    first = parts[0]
    return first if first in LISTED or first == "__init__" else "core"


def imports_of(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_edge(path: Path) -> bool:
    return any(str(path.relative_to(ROOT)).startswith(edge) for edge in IO_EDGES)


CORE = [p for p in modules(*DOMAINS) if kind_of(p) == "core" and not is_edge(p)]


@pytest.mark.parametrize("path", CORE, ids=lambda p: str(p.relative_to(ROOT)))
def test_any_other_name_is_pure(path: Path) -> None:
    for name in imports_of(path):
        top = name.split(".")[0]
        if top == "marketplace":
            parts = name.split(".")
            if len(parts) < 3 or parts[1] == "kit":
                assert parts[1:2] in ([], ["kit"]) or len(parts) == 2, f"{path.name} imports {name}"
                continue
            assert parts[1] in DOMAINS, f"{path.name} imports {name}: the core imports kit and other core only"
            assert parts[2] not in LISTED, f"{path.name} imports {name}: the core imports kit and other core only"
            continue
        assert top not in FORBIDDEN_STDLIB, f"{path.name} imports {name}: no I/O, no clock, no randomness in the core"
        if top in __import__("sys").stdlib_module_names:
            continue
        assert top in PURE_LIBRARIES, f"{path.name} imports {name}"
    source = path.read_text()
    assert not CLOCK_CALLS.search(source), f"{path.name} reads the clock: take `now` as an argument"
    assert not re.search(r"^\s*async def ", source, re.MULTILINE), f"{path.name} is async: the core does no I/O"


@pytest.mark.parametrize("path", sorted((MARKETPLACE / "kit").glob("*.py")), ids=lambda p: p.name)
def test_kit_is_pure(path: Path) -> None:
    for name in imports_of(path):
        assert not name.startswith("marketplace.") or name.startswith("marketplace.kit"), name
        assert name.split(".")[0] not in FORBIDDEN_STDLIB - {"secrets"}, name
    assert not CLOCK_CALLS.search(path.read_text())


def test_models_are_imported_by_their_domain_queries_above_and_the_registry_only() -> None:
    for path in sorted(MARKETPLACE.rglob("*.py")):
        for name in imports_of(path):
            found = re.match(r"marketplace\.(\w+)\.models\b", name)
            if not found:
                continue
            own = path.is_relative_to(MARKETPLACE / found[1])
            assert own or kind_of(path) == "queries" or path.name == "registry.py", f"{path}: {name}"


def test_only_sessions_commit() -> None:
    for path in [*modules(*DOMAINS), *sorted((ROOT / "web").rglob("*.py"))]:
        assert ".commit(" not in path.read_text(), f"{path}: a request commits once, in db/session.py"


def test_locks_stand_in_queries_in_functions_that_say_so() -> None:
    lock = re.compile(r"FOR (NO KEY )?UPDATE|FOR (KEY )?SHARE")
    for path in modules(*DOMAINS):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if not isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
                continue
            text = ast.get_source_segment(path.read_text(), node) or ""
            if not lock.search(re.sub(r'"""[\s\S]*?"""', "", text, count=1)):
                continue
            # SKIP LOCKED takes any of equal rows (the outbox); it is no lock order to keep.
            if "SKIP LOCKED" in text:
                continue
            assert kind_of(path) == "queries", f"{path}: {node.name} locks outside queries"
            assert node.name.endswith(("_for_update", "_for_share")), f"{path}: {node.name}"


def test_a_plain_for_update_is_never_used() -> None:
    for path in modules(*DOMAINS):
        text = path.read_text()
        for found in re.finditer(r"FOR UPDATE(?! SKIP LOCKED)", text):
            line = text[: found.start()].count("\n") + 1
            context = text.splitlines()[line - 1]
            assert "plain FOR UPDATE" in context or "``" in context or '"""' in context, f"{path}:{line}"


def test_acting_for_another_company_is_done_in_services_only() -> None:
    for path in [*modules(*DOMAINS), *sorted((ROOT / "web").rglob("*.py"))]:
        if "acting_for" in path.read_text():
            assert kind_of(path) == "service" if path.is_relative_to(MARKETPLACE) else False, path


def test_modules_are_short_enough_to_read() -> None:
    long = {
        str(p.relative_to(ROOT)): n
        for p in [*MARKETPLACE.rglob("*.py"), *(ROOT / "web").rglob("*.py")]
        if "vendor" not in p.parts and (n := len(p.read_text().splitlines())) > 650
    }
    assert not long, long


def test_no_helpers_folder() -> None:
    banned = {"utils", "helpers", "manager", "common", "misc"}
    assert not [p for p in [*MARKETPLACE.rglob("*.py"), *(ROOT / "web").rglob("*.py")] if p.stem in banned]


def test_migrations_do_not_import_the_marketplace() -> None:
    for path in (ROOT / "migrations").rglob("*.py"):
        assert not [n for n in imports_of(path) if n.startswith("marketplace")], path


def test_top_level_is_the_fixed_one() -> None:
    import subprocess

    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    tops = {name.split("/")[0] for name in listed}
    fixed = {
        "pyproject.toml",
        "marketplace",
        "migrations",
        "contracts",
        "web",
        "docker-compose.yml",
        "tests",
        "README.md",
    }
    usual = {
        "Makefile",
        "LICENSE",
        "Dockerfile",
        ".dockerignore",
        ".gitignore",
        ".ci",
        "requirements.txt",
        "requirements-dev.txt",
    }
    assert tops <= fixed | usual, tops - fixed - usual
