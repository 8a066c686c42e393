"""The command line as a stranger meets it: help, exit codes, messages that say what to do."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from marketplace.db.embedded import APP, OWNER, WORKER, Credentials
from tests.conftest import clone
from tests.demo_site import DemoSite

ROOT = Path(__file__).resolve().parents[1]


def backstock(
    *arguments: str, env: dict[str, str] | None = None, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("BACKSTOCK_")}
    return subprocess.run(
        [sys.executable, "-m", "marketplace.cli", *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**clean, "COLUMNS": "200", **(env or {})},
        input=text,
        timeout=120,
    )


@pytest.fixture(scope="module")
async def environment(cluster: Credentials, worker_id: str) -> dict[str, str]:
    name = f"cli_{worker_id}"
    await clone(cluster, name)
    return {
        "BACKSTOCK_DATABASE_URL": cluster.dsn(APP, name),
        "BACKSTOCK_WORKER_DATABASE_URL": cluster.dsn(WORKER, name),
        "BACKSTOCK_OWNER_DATABASE_URL": cluster.dsn(OWNER, name),
    }


@pytest.mark.parametrize(
    "command",
    [[], ["demo"], ["serve"], ["worker"], ["migrate"], ["import"], ["company", "create"], ["user", "create"],
     ["apikey", "create"], ["contracts", "publish"], ["contracts", "check"], ["contracts", "new"],
     ["contracts", "release"], ["ledger", "verify"], ["replay"], ["rate", "record"], ["rate", "list"], ["advise"]],
)  # fmt: skip
def test_every_command_explains_itself(command: list[str]) -> None:
    done = backstock(*command, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout


def test_without_a_database_it_says_what_to_do(tmp_path: Path) -> None:
    done = backstock("ledger", "verify", env={"BACKSTOCK_DATA_DIR": str(tmp_path)})
    assert done.returncode == 6
    assert "BACKSTOCK_DATABASE_URL" in done.stderr


def test_a_taken_port_is_told_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = backstock("demo", "--port", str(port), "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 5
    assert f"Port {port} is taken" in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("command", ["demo", "serve"])
@pytest.mark.parametrize("port", ["abc", "0", "99999"])
def test_a_port_that_is_none_is_said_in_a_sentence(tmp_path: Path, command: str, port: str) -> None:
    done = backstock(command, env={"PORT": port, "BACKSTOCK_DATA_DIR": str(tmp_path / "data")})
    assert done.returncode == 2
    assert f"'{port}' is no port" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = backstock("demo", "--port", "8999", "--data-dir", str(tmp_path / "file" / "data"))
    assert done.returncode != 0
    assert "cannot be written" in done.stderr


NOBODY = "postgresql://backstock_owner:x@127.0.0.1:1/backstock"


@pytest.mark.parametrize(
    ("arguments", "env", "code", "words"),
    [
        (["serve"], {}, 6, "Set BACKSTOCK_DATABASE_URL"),
        (["serve"], {"BACKSTOCK_PORT": "abc"}, 2, "BACKSTOCK_PORT"),
        (["worker"], {"BACKSTOCK_SECRET_KEY": "set-me"}, 2, "BACKSTOCK_SECRET_KEY"),
        (["migrate"], {"BACKSTOCK_OWNER_DATABASE_URL": "postgresql://o:set-me@db/x"}, 2, "choose a secret of your own"),
        (["contracts", "publish"], {"BACKSTOCK_OWNER_DATABASE_URL": NOBODY}, 6, "The database cannot be reached"),
        (["contracts", "publish"], {"BACKSTOCK_OWNER_DATABASE_URL": "nonsense"}, 2, "address of the database"),
        (["contracts", "check", "--folder", "/nowhere"], {}, 2, "There are no clauses in /nowhere"),
    ],
)
def test_what_is_outside_is_told_in_words(
    tmp_path: Path, arguments: list[str], env: dict[str, str], code: int, words: str
) -> None:
    done = backstock(*arguments, env={"BACKSTOCK_DATA_DIR": str(tmp_path), **env})
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_released_clause_that_was_changed_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "contracts"
    shutil.copytree(ROOT / "contracts", folder)
    text = folder / "buy-back" / "v1" / "notes.md"
    text.write_text(text.read_text() + "\nOne more thought.\n")
    done = backstock("contracts", "check", "--folder", str(folder))
    assert done.returncode == 1
    assert "released and was changed" in done.stdout
    assert "access-back/v1: ok" in done.stdout
    text.unlink()
    done = backstock("contracts", "check", "--folder", str(folder))
    assert done.returncode == 1
    assert "notes.md: The file is missing." in done.stdout
    shutil.rmtree(folder / "buy-back")
    done = backstock("contracts", "check", "--folder", str(folder))
    assert (done.returncode, "buy-back/v1: released, but its folder is missing" in done.stdout) == (1, True)
    (folder / "released.toml").write_text("[access-back]\nv1 = 'x'\n")
    done = backstock("contracts", "check", "--folder", str(folder))
    assert (done.returncode, "must be a version like v1" in done.stderr) == (2, True)


def test_a_clause_is_drafted_and_released(tmp_path: Path) -> None:
    folder = tmp_path / "contracts"
    shutil.copytree(ROOT / "contracts", folder)
    # As it was before the second library was released.
    first = re.sub(
        r"(?m)^v2 = .*\n|^\[(first-refusal|title-kept)\]\nv1 = .*\n", "", (folder / "released.toml").read_text()
    )
    (folder / "released.toml").write_text(first)
    before = first.encode()

    def run(*arguments: str) -> tuple[int, str]:
        done = backstock("contracts", *arguments, "--folder", str(folder))
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    code, words = run("new", "buy-back")
    assert (code, "buy-back/v2 is not released yet" in words) == (5, True), words
    code, words = run("release", "buy-back", "3")
    assert (code, "There is no buy-back/v3" in words) == (4, True), words
    text = folder / "buy-back" / "v2" / "clause.md"
    kept = text.read_text()
    text.write_text(kept.replace("{{ payment_days }}", "30 days"))
    code, words = run("release", "buy-back", "2")
    assert (code, "The term payment_days has no blank." in words) == (2, True), words
    assert (folder / "released.toml").read_bytes() == before
    text.write_text(kept)
    code, words = run("release", "buy-back", "2")
    assert (code, words.startswith("buy-back/v2: released as ")) == (0, True), words
    assert run("release", "buy-back", "2") == (code, words)
    released = (folder / "released.toml").read_text()
    assert f'v2 = "{words.rsplit(" ", 1)[1].strip()}"' in released
    assert set(before.decode().splitlines()) < set(released.splitlines())
    code, words = run("check")
    assert (code, "buy-back/v2: ok\n" in words, "first-refusal/v1: ok (not released)" in words) == (0, True, True), (
        words
    )
    text.write_text(kept + "\nAnd one thing more.\n")
    code, words = run("release", "buy-back", "2")
    assert (code, "released with other contents" in words) == (5, True), words
    code, words = run("new", "buy-back")
    assert (code, (folder / "buy-back" / "v3" / "clause.md").read_text().splitlines()[0]) == (
        0, "# Buy-back of units sold (buy-back, version 3)"
    ), words  # fmt: skip
    assert run("new", "spare-loan")[0] == 0
    assert run("new", "../outside")[0] == 2
    assert not (tmp_path / "outside").exists()
    code, words = run("check")
    assert (code, "The program has no terms type for spare-loan/v1." in words) == (1, True), words


@pytest.mark.parametrize(
    "wrong", [["--currency", "DOLLARS"], ["--currency", "xx1"], ["--country", "Nowhere"], ["", "--partner"]]
)
def test_a_company_that_cannot_be_is_not_made(environment: dict[str, str], wrong: list[str]) -> None:
    name = [] if wrong[0] == "" else ["Wrong Works"]
    done = backstock("company", "create", "wrong", *name, *wrong, "--partner", env=environment)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    person = ["user", "create", "wrong", "w@x.example", "W", "--role", "planner", "--password", "long enough"]
    assert backstock(*person, env=environment).returncode == 4, "nothing was made"


def test_an_unknown_revision_is_said(environment: dict[str, str]) -> None:
    done = backstock("migrate", "nonsense", env=environment)
    assert (done.returncode, "nonsense" in done.stderr, "Traceback" in done.stderr) == (2, True, False), done.stderr


def test_company_user_key(environment: dict[str, str]) -> None:
    made = backstock("company", "create", "acme", "Acme Machines", "--manufacturer", env=environment)
    assert made.returncode == 0, made.stderr
    again = backstock("company", "create", "ACME", "Acme", "--partner", env=environment)
    assert again.returncode == 5
    assert "already" in again.stderr
    person = ["user", "create", "acme", "p@acme.example", "Pat", "--role", "planner"]
    short = backstock(*person, "--password", "short", env=environment)
    assert short.returncode == 2
    assert "at least 15" in short.stderr
    assert backstock(*person, "--password", "long enough secret", env=environment).returncode == 0
    key = backstock("apikey", "create", "p@acme.example", "erp", "--scope", "stock.*", env=environment)
    assert key.stdout.startswith("bs_")
    bad = backstock("apikey", "create", "p@acme.example", "erp", "--scope", "fly", env=environment)
    assert bad.returncode == 2
    nobody = backstock(
        "user",
        "create",
        "nowhere",
        "q@acme.example",
        "Q",
        "--role",
        "planner",
        "--password",
        "long enough",
        env=environment,
    )
    assert nobody.returncode == 4


def test_rates_are_recorded_by_who_may_and_listed(environment: dict[str, str]) -> None:
    assert backstock("company", "create", "rates", "Rate Works", "--manufacturer", env=environment).returncode == 0
    for email, role in (("boss@rates.example", "admin"), ("plan@rates.example", "planner")):
        person = ["user", "create", "rates", email, "R", "--role", role, "--password", "long enough secret"]
        assert backstock(*person, env=environment).returncode == 0
    rate = ["rate", "record", "eur", "1.0712", "usd", "--source", "ECB"]
    refused = backstock(*rate, "--email", "plan@rates.example", env=environment)
    assert (refused.returncode, "actor.role" in refused.stderr) == (3, True), refused.stderr
    for wrong in (["--day", "2999-01-01"], ["--day", "2026-02-30"]):
        done = backstock(*rate, *wrong, "--email", "boss@rates.example", env=environment)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    nothing = backstock(
        "rate", "record", "eur", "much", "usd", "--source", "ECB", "--email", "boss@rates.example", env=environment
    )
    assert (nothing.returncode, "1.0712" in nothing.stderr) == (2, True)
    empty = backstock("rate", "list", "--email", "plan@rates.example", env=environment)
    assert empty.stdout == "No rate is stated.\n"
    for day in ("2026-11-01", "2026-11-20"):
        done = backstock(*rate, "--day", day, "--email", "boss@rates.example", env=environment)
        assert done.returncode == 0, done.stderr
    listed = backstock("rate", "list", "--email", "plan@rates.example", env=environment)
    assert listed.stdout.splitlines() == [
        "* 2026-11-20  1 EUR = 1.0712 USD  ECB", "  2026-11-01  1 EUR = 1.0712 USD  ECB",
    ]  # fmt: skip


def test_an_import_names_the_columns_that_it_does_not_use(environment: dict[str, str], tmp_path: Path) -> None:
    assert backstock("company", "create", "shelf", "Shelf Works", "--manufacturer", env=environment).returncode == 0
    person = [
        "user",
        "create",
        "shelf",
        "w@shelf.example",
        "Wes",
        "--role",
        "warehouse",
        "--password",
        "long enough secret",
    ]
    assert backstock(*person, env=environment).returncode == 0
    stock = tmp_path / "stock.csv"
    stock.write_text("Part number,Colour,Qty,Remark\nA-1,red,5,ok\n")
    done = backstock(
        "import", str(stock), "--email", "w@shelf.example",
        env={**environment, "BACKSTOCK_DATA_DIR": str(tmp_path / "data")},
    )  # fmt: skip
    assert "Not used, since nothing is read from them: Colour, Remark." in done.stderr, done.stderr
    assert "1 row, 0 good, 1 bad" in done.stdout
    assert done.returncode == 1


def test_contracts(environment: dict[str, str]) -> None:
    assert backstock("contracts", "check").returncode == 0
    first = backstock("contracts", "publish", env=environment)
    assert first.returncode == 0, first.stderr
    assert "buy-back/v1: new" in first.stdout
    assert "buy-back/v1: same" in backstock("contracts", "publish", env=environment).stdout


def test_migrate_is_safe_to_repeat(environment: dict[str, str]) -> None:
    done = backstock("migrate", env=environment)
    assert done.returncode == 0, done.stderr


async def test_ledger_verify_finds_what_a_superuser_changed(environment: dict[str, str], cluster: Credentials) -> None:
    assert backstock("ledger", "verify", env=environment).returncode == 0
    owner = await asyncpg.connect(environment["BACKSTOCK_OWNER_DATABASE_URL"])
    try:
        company = await owner.fetchval(
            "INSERT INTO company (code, name, is_manufacturer, is_partner, currency, country) VALUES ('X9','X',true,false,'USD','US') RETURNING id"
        )
        maker = await owner.fetchval("INSERT INTO maker (code, name) VALUES ('X9', 'X') RETURNING id")
        await owner.execute("INSERT INTO unit_of_measure VALUES ('EA', 'Each') ON CONFLICT DO NOTHING")
        part = await owner.fetchval(
            "INSERT INTO part (maker_id, number, number_norm, description, uom) VALUES ($1,'1','1','x','EA') RETURNING id",
            maker,
        )
        lot = await owner.fetchval(
            "INSERT INTO lot (lot_id, part_id, serialised, uom, registered_by, root_lot_id, parties, last_recorded_at, last_occurred_at) "
            "SELECT i, $1, false, 'EA', $2, i, ARRAY[$2::uuid], now(), now() FROM (SELECT uuidv7() AS i) x RETURNING lot_id",
            part,
            company,
        )
        await owner.execute(
            "INSERT INTO \"position\" (lot_id, position_id, part_id, serialised, owner_id, holder_id, condition, quantity) VALUES ($1, 1, $2, false, $3, $3, 'new', 5)",
            lot,
            part,
            company,
        )
    finally:
        await owner.close()
    done = backstock("ledger", "verify", env=environment)
    assert done.returncode == 1
    assert str(lot) in done.stdout


def test_the_demo_came_up_and_says_how_to_use_it(demo: DemoSite) -> None:
    said = demo.log.read_text()
    for role in ("planner", "buyer", "technician", "auditor"):
        assert role in said
    assert "backstock-demo" in said
    assert demo.url in said


def test_the_demo_ledger_adds_up(demo: DemoSite) -> None:
    done = backstock("ledger", "verify", env={"BACKSTOCK_DATA_DIR": str(demo.data_dir)})
    assert done.returncode == 0, done.stdout


def test_help_does_not_wait_for_the_whole_product() -> None:
    """What a command works with is loaded when it runs: ``--help`` took four seconds."""
    heavy = "{'fastapi', 'sqlalchemy', 'scipy', 'numpy', 'openpyxl', 'alembic'}"
    said = f"import sys, marketplace.cli; found = {heavy} & set(sys.modules); sys.exit(', '.join(sorted(found)) or 0)"
    done = subprocess.run([sys.executable, "-c", said], check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, f"loaded for nothing: {done.stderr}"
