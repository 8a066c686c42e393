"""``python -m tests.benchmarks.pages URL [--rounds 20] [--over 120]``: what every page of the menu takes the server, asked of a running
demo as planner, buyer and technician. The time is the server's own (``Server-Timing``), the whole request included but for the way."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass

import httpx

from tests.benchmarks.bench import percentile

PASSWORD = "backstock-demo"
PEOPLE = {
    "planner": "planner@northfield.example",
    "buyer": "buyer@lone-mesquite.example",
    "technician": "technician@northfield.example",
}
_LINK = re.compile(r'href="(/[^"#?]*)"')
_NAV = re.compile(r"<nav\b.*?</nav>", re.DOTALL)
_TIMING = re.compile(r"app;dur=([0-9.]+)")
# Not pages: what they lead to is another kind of answer, or ends the session.
_NOT = re.compile(r"^/(static|log|api|sign-out|assets)\b|\.(csv|pdf|json|xlsx|webmanifest)$")


@dataclass(frozen=True, slots=True)
class Page:
    """Milliseconds of one page as one person sees it."""

    who: str
    path: str
    status: int
    middle: float
    slow: float
    worst: float
    kilobytes: float


def _ask(client: httpx.Client, path: str) -> tuple[httpx.Response, float]:
    answer = client.get(path)
    found = _TIMING.search(answer.headers.get("server-timing", ""))
    return answer, float(found[1]) if found else 0.0


def links(client: httpx.Client) -> list[str]:
    """The pages that the menu leads to, and those that a tab of one of them leads to."""
    seen: list[str] = []
    for at in ("/", *_menu(client, "/")):
        seen += [at, *_menu(client, at)]
    return list(dict.fromkeys(seen))


def _menu(client: httpx.Client, path: str) -> list[str]:
    text = client.get(path).text
    every = [p for nav in _NAV.findall(text) for p in _LINK.findall(nav)]
    return [p for p in dict.fromkeys(every) if not _NOT.search(p)]


def measure(url: str, rounds: int) -> list[Page]:
    """Every page of each person, ``rounds`` times in turn."""
    found = []
    for who, email in PEOPLE.items():
        with httpx.Client(base_url=url, follow_redirects=True, timeout=120) as client:
            entered = client.post(
                "/sign-in", data={"email": email, "password": PASSWORD}, headers={"origin": url, "sec-fetch-site": "same-origin"}
            )  # fmt: skip
            assert entered.status_code == 200, (who, entered.status_code, entered.text[:300])
            for path in links(client):
                taken = []
                for _ in range(rounds):
                    answer, took = _ask(client, path)
                    taken.append(took)
                size = len(answer.content) / 1000
                found.append(
                    Page(
                        who, path, answer.status_code, percentile(taken, 0.5), percentile(taken, 0.95), max(taken), size
                    )
                )
    return found


def main(arguments: list[str]) -> int:
    """Prints the table, slowest first; the exit code is 1 where a page is slower than ``--over`` (p95)."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.pages")
    parser.add_argument("url")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--over", type=float, default=120.0)
    asked = parser.parse_args(arguments)
    pages = sorted(measure(asked.url, asked.rounds), key=lambda p: -p.slow)
    print(f"{'p95 ms':>8} {'median':>8} {'worst':>8} {'kB':>6}  who         page")
    for p in pages:
        print(
            f"{p.slow:8.0f} {p.middle:8.0f} {p.worst:8.0f} {p.kilobytes:6.0f}  {p.who:<11} {p.path} {'' if p.status == 200 else p.status}"
        )
    return int(any(p.slow > asked.over for p in pages))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
