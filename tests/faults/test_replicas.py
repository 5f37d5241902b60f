"""Two replicas are one server, also while one of them is killed again and again (SC-009, F22, P1, P2, R2, R5).

16 writers, an author who ingests and a builder who hydrates come through one address. Whoever gets no answer asks again
with the same idempotency key. Afterwards everything that was acknowledged is there, every race has one winner, the log
is one line, and both servers tell the same book.
"""

import os
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from support.command import clean_environ, panaversity
from support.replicas import Door, Replicas, all_at_once, two_replicas

BOOK, SIDE = "shared", "ingested"
WRITERS, CONTESTED = 16, 6
EACH, KILLS = (40, 20) if os.environ.get("PANAVERSITY_TEST_FULL", "") == "1" else (2, 2)


def own(writer: int, number: int) -> str:
    return f"content/{writer + 1:02}-Part/01-Chapter/{number + 1:02}-own.md"


def contested(number: int) -> str:
    return f"content/90-Part/01-Chapter/{number + 1:02}-contested.md"


def write_own(door: Door, writer: int, number: int) -> str:
    """One's own lesson, written and then changed; its last text."""
    key, path = f"own-{writer}-{number}", own(writer, number)
    first = door.insist("write_content", book_id=BOOK, path=path, content="# first\n", idempotency_key=key)
    assert not first.is_error, first.error
    text = f"# {writer} {number}\n"
    second = door.insist(
        "write_content", book_id=BOOK, path=path, content=text, idempotency_key=f"{key}-2",
        expected_hash=first.structured["file_hash"],
    )  # fmt: skip
    assert not second.is_error, second.error
    return text


def write_contested(door: Door, writer: int, number: int) -> bool:
    """Whether this writer is the one who made the lesson that all want to make."""
    answer = door.insist(
        "write_content", book_id=BOOK, path=contested(number), content=f"# by {writer}\n",
        idempotency_key=f"contested-{writer}-{number}",
    )  # fmt: skip
    assert not answer.is_error or answer.code in ("HASH_REQUIRED", "CONFLICT"), answer.error
    return not answer.is_error


class Author:
    """Ingests a book of his own and hydrates it, through the same address."""

    def __init__(self, place: Path, door: Door) -> None:
        self.place, self._environ = place, clean_environ(PANAVERSITY_MCP_URL=door.url, PANAVERSITY_BOOK_ID=SIDE)
        for number in range(12):
            lesson = place / "docs" / "01-Part" / "01-Chapter" / f"{number + 1:02}-lesson.md"
            lesson.parent.mkdir(parents=True, exist_ok=True)
            lesson.write_text(f"# {number}\n")

    def round(self, number: int) -> tuple[int, int]:
        """One edit brought to the book and back; the statuses of both commands."""
        (self.place / "docs" / "01-Part" / "01-Chapter" / "01-lesson.md").write_text(f"# round {number}\n")
        words = (("ingest", "--source-dir", "docs"), ("hydrate", "--output-dir", "out"))
        statuses = [panaversity(*line, cwd=self.place, environ=self._environ).status for line in words]
        return statuses[0], statuses[1]


@pytest.mark.timeout(600)
def test_R2_R5_P1_two_replicas_lose_nothing_while_one_is_killed_again_and_again(tmp_path: Path) -> None:
    with two_replicas(tmp_path) as replicas:
        author = Author(tmp_path, replicas.door)
        done = threading.Event()
        rounds: list[tuple[int, int]] = []
        killer = threading.Thread(target=_kill, args=(replicas, done))
        builder = threading.Thread(target=lambda: _build(author, rounds, done))
        for thread in (killer, builder):
            thread.start()
        try:
            written, won = _write(replicas.door)
        finally:
            done.set()
            for thread in (killer, builder):
                thread.join()
        _judge(replicas, author, written, won)
    print(f"replicas: {len(written)} own lessons, {replicas.kills} kills, {len(rounds)} rounds of the builder")
    assert replicas.kills >= KILLS


def _kill(replicas: Replicas, done: threading.Event) -> None:
    while not done.wait(1.0) or replicas.kills < KILLS:
        replicas.kill_one(replicas.kills % 2)


def _build(author: Author, rounds: list[tuple[int, int]], done: threading.Event) -> None:
    while not done.is_set() or not rounds:
        rounds.append(author.round(len(rounds)))


def _write(door: Door) -> tuple[dict[str, str], Counter[str]]:
    """Path → last acknowledged text of the writers' own lessons, and how many won each contested one."""
    jobs: list[Callable[[], object]] = []
    for writer in range(WRITERS):
        jobs += [lambda w=writer, n=n: ("own", own(w, n), write_own(door, w, n)) for n in range(EACH)]
        jobs += [lambda w=writer, n=n: ("won", contested(n), write_contested(door, w, n)) for n in range(CONTESTED)]
    answers = all_at_once(WRITERS, jobs, seed=5)
    written = {path: text for kind, path, text in answers if kind == "own"}  # type: ignore[misc]
    won = Counter(path for kind, path, winner in answers if kind == "won" and winner)  # type: ignore[misc]
    return written, won


def _judge(replicas: Replicas, author: Author, written: dict[str, str], won: "Counter[str]") -> None:
    assert won == {contested(number): 1 for number in range(CONTESTED)}
    for door in replicas.alone():
        for path, text in written.items():
            assert door.call("read_content", book_id=BOOK, path=path).structured["content"] == text
        audit = door.call("verify_audit", book_id=BOOK).structured
        assert audit["valid"], audit
        plan = door.call("plan_build", book_id=BOOK).structured
        assert plan["total_files"] == len(written) + CONTESTED
        assert audit["entries"] >= 2 * len(written) + CONTESTED
    plans = [door.call("plan_build", book_id=BOOK).structured for door in replicas.alone()]
    assert plans[0] == plans[1]
    assert author.round(-1) == (0, 0)
    for file in sorted((author.place / "docs").rglob("*.md")):
        assert (author.place / "out" / file.relative_to(author.place / "docs")).read_bytes() == file.read_bytes()
