"""The demo as a stranger gets it: ``backstock demo`` on fresh data, started once for all workers of a test run."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class DemoSite:
    """Where the demo runs, where its data is, and what it printed."""

    url: str
    data_dir: Path
    log: Path
    seconds: float


# Kept, so that the process is not called lost while it runs: stop() ends it.
_STARTED: list[subprocess.Popen[bytes]] = []


def start_once(folder: Path) -> DemoSite:
    """The running demo; whoever asks first starts it, the others wait."""
    folder.mkdir(exist_ok=True)
    state = folder / "state.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not state.exists():
            state.write_text(json.dumps(_start(folder)))
        kept = json.loads(state.read_text())
    return DemoSite(kept["url"], Path(kept["data_dir"]), Path(kept["log"]), kept["seconds"])


def _start(folder: Path) -> dict[str, object]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "demo.log"
    began = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "marketplace.cli", "demo", "--port", str(port), "--data-dir", str(folder / "data")],
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            start_new_session=True,
            env={k: v for k, v in os.environ.items() if not k.startswith("BACKSTOCK_")},
        )
    _STARTED.append(process)
    (folder / "pid").write_text(str(process.pid))
    until = began + 500
    while "Backstock is up" not in log.read_text():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"the demo did not start: {log.read_text()[-2000:]}")
        time.sleep(0.2)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
        assert answer.status == 200
    return {
        "url": f"http://127.0.0.1:{port}",
        "data_dir": str(folder / "data"),
        "log": str(log),
        "seconds": time.monotonic() - began,
    }


def stop(folder: Path) -> None:
    """Ends the demo as Ctrl-C would, and waits until it and its PostgreSQL are gone."""
    try:
        pid = int((folder / "pid").read_text())
        os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError):
        return
    for process in _STARTED:
        if process.pid == pid:  # others that this process started may go on
            process.wait(60)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            done, _ = os.waitpid(pid, os.WNOHANG)
            if done:
                return
        except ChildProcessError:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return
        time.sleep(0.1)
