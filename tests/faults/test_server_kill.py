"""kill -9 at random moments: what was acknowledged is there, an ingest is whole or absent (P1, P2, F1, F4).

The child is a process of its own over the library; it prints one line after each answer, flushed, and is killed while
it works. ``PANAVERSITY_TEST_SEED`` repeats a run.
"""

import asyncio
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from panaversity_fs.core.digest import Digest, digest_of
from support.oracle import assert_store_ok
from support.stores import BOOK, InFolder, Store, lesson

FULL = os.environ.get("PANAVERSITY_TEST_FULL", "") == "1"
KILLS = 200 if FULL else 10
SEED = int(os.environ.get("PANAVERSITY_TEST_SEED", random.SystemRandom().randrange(1 << 32)))

# The child's program: round r, step s. Every third step is an ingest of 20 files into a chapter of its own that also
# changes and deletes; the others are single writes. The line it prints names what was acknowledged.
_CHILD = """
import asyncio, sys
from panaversity_fs.core.changes import Delete
from panaversity_fs.core.digest import digest_of
from panaversity_fs.library import open_library
from support.stores import BOOK, CALLER, ingest, lesson

async def main(url, root, round):
    async with open_library(url, root) as library:
        print("ready", flush=True)
        for step in range(10_000):
            mark = f"{round} {step}"
            held = {entry.path: entry.sha256 for entry in await library.entries(BOOK, "content/01-Part/01-")} \\
                if await library.book(BOOK) else {}
            if step % 3 == 2:
                files = {lesson(n): f"ingest {mark} {n}".encode() for n in range(20)}
                gone = [Delete(path, held[path]) for path in held if path not in files]
                await ingest(library, files, deletes=gone, expected=held, with_manifest=step % 2 == 0, key=mark)
                print(f"ingest {mark}", flush=True)
            else:
                path = lesson(40 + step % 7)
                data = f"write {mark}".encode()
                await library.write(BOOK, path, data, CALLER, expected=held.get(path))
                print(f"write {mark} {path}", flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def replay(state: dict[str, Digest], line: str) -> dict[str, Digest]:
    """The chapter after the operation this line acknowledges."""
    kind, *words = line.split()
    mark = " ".join(words[:2])
    if kind == "write":
        return state | {words[2]: digest_of(f"write {mark}".encode())}
    return {lesson(n): digest_of(f"ingest {mark} {n}".encode()) for n in range(20)}


def possible(state: dict[str, Digest], round_: int, step: int) -> dict[str, Digest]:
    """The chapter if the step in flight took effect."""
    if step % 3 == 2:
        return replay(state, f"ingest {round_} {step}")
    return replay(state, f"write {round_} {step} {lesson(40 + step % 7)}")


def test_P1_P2_F1_F4_a_server_killed_at_random_moments_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    store = Store(tmp_path, InFolder(tmp_path / "blobs"))
    rng = random.Random(SEED)
    held: dict[str, Digest] = {}
    acknowledged = in_flight = leftovers = 0
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    for round_ in range(KILLS):
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, store.url, str(tmp_path / "blobs"), str(round_)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        assert child.stdout is not None
        assert child.stderr is not None
        ready = child.stdout.readline()
        assert ready == "ready\n", child.stderr.read()
        time.sleep(rng.random() * 0.25)
        child.kill()
        lines = [line for line in child.stdout.read().split("\n") if line]
        trouble = child.stderr.read()
        child.wait()
        child.stdout.close()
        child.stderr.close()
        assert trouble == "", trouble
        for line in lines:
            held = replay(held, line)
        seen = asyncio.run(assert_store_ok(store, killed=True, strays=True))
        now = seen.state.get(BOOK, {})
        if now != held:
            in_flight += 1
            held = possible(held, round_, len(lines))
            assert now == held, f"seed {SEED}, round {round_}: neither before nor after the step in flight"
        acknowledged += len(lines)
        leftovers = seen.pinned + seen.leftovers
    print(f"seed {SEED}: {KILLS} kills, {acknowledged} acknowledged, {in_flight} took effect unanswered, "
          f"{leftovers} leftovers at the end")  # fmt: skip
    assert acknowledged >= KILLS // 2
