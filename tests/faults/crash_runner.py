"""The crash runner's own process (RELIABILITY H1): imports the app once, then forks a child for every point.

Reads one job a line (JSON) from standard input and answers each with one line. It never starts an event loop or a
thread itself, so forking it is safe; children do, and end by ``os._exit``. Jobs:

``prepare`` make the store an operation begins with and measure its undisturbed twin · ``break`` copy that store, run
the operation with the N-th change of the disk broken · ``judge`` restart over what is left: the oracle, the same
request again, the oracle, the twin. Knows how children die; does not choose points or draw conclusions.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import panaversity_fs.store.local_blobs
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import PanaversityError
from panaversity_fs.library import Library
from panaversity_fs.library.inspecting import Depth
from panaversity_fs.store.migrate import HEAD
from support.crash_mutants import MUTANTS
from support.crash_operations import ASSET, FIRST, OPERATIONS, Operation, collect_all
from support.crash_shim import Arm, this_arm
from support.oracle import Seen, assert_store_ok
from support.stores import BOOK, CALLER, InFolder, Store, lesson

CHILD_SECONDS = 60
Answer = dict[str, Any]
LAST = lesson(99, 99)


def store_at(root: str, later: timedelta = timedelta(0)) -> Store:
    """The store below ``root``, database and blobs, so long after it was prepared."""
    os.makedirs(root, exist_ok=True)
    store = Store(Path(root), InFolder(Path(root) / "blobs"))
    store.clock.now += later
    return store


def in_a_child(work: Callable[[Callable[[Answer], None]], None]) -> tuple[int, Answer]:
    """Do the work in a forked child; (exit status, what it said before it ended)."""
    assert threading.active_count() == 1, "forking beside threads is not safe"
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        signal.alarm(CHILD_SECONDS)
        status = 1

        def say(words: Answer) -> None:
            os.write(into, json.dumps(words).encode() + b"\n")

        try:
            work(say)
            status = 0
        except BaseException:  # noqa: BLE001 - whatever it is, the parent is told
            say({"crash": traceback.format_exc()[-3000:]})
        finally:
            os._exit(status)
    os.close(into)
    with open(out, "rb") as pipe:
        said = [json.loads(line) for line in pipe if line.endswith(b"\n")]
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), {k: v for words in said for k, v in words.items()}


async def carry_out(operation: Operation, store: Store, arm: Callable[[], None], say: Callable[[Answer], None],
                    mark: Callable[[str], None], retry: bool) -> None:  # fmt: skip
    """Open, arm, run, say that it was acknowledged, close. A typed error is said; with ``retry`` it is asked again."""
    if operation.armed_while_opening:
        arm()
    try:
        async with store.open() as library:
            if not operation.armed_while_opening:
                arm()
            await _attempt(operation, library, say, retry)
            mark("acknowledged")
            say({"acknowledged": True})
    except PanaversityError as fault:
        say({"refused": f"{fault.code}: {fault}"})


async def _attempt(operation: Operation, library: Library, say: Callable[[Answer], None], retry: bool) -> None:
    try:
        await operation.run(library)
    except PanaversityError as fault:
        if not retry:
            raise
        say({"repeated after": fault.code})
        await operation.run(library)


def break_it(job: Answer, arm: Arm) -> Answer:
    """One point. The trace is answered when asked for, its last line always."""
    operation = OPERATIONS[job["operation"]]
    root, traced = job["root"], job["template"] + ".trace"
    if job.get("fresh", True):
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(job["template"], root)

    def work(say: Callable[[Answer], None]) -> None:
        if job.get("mutant"):
            MUTANTS[job["mutant"]]()
        trace = os.open(traced, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        begin = lambda: arm.arm(root, job["at"], job["mode"], trace, job.get("later", 0))  # noqa: E731
        asyncio.run(
            carry_out(operation, store_at(root, operation.later), begin, say, arm.mark, job.get("retry", False))
        )
        say({"calls": arm.disarm()})

    status, said = in_a_child(work)
    with open(traced, encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t") for line in file]
    struck = next((line for line in lines if line[0] == str(job["at"])), None)
    answer = {"status": status, "struck": struck, **said}
    return answer | ({"trace": lines} if job.get("trace") else {})


def judge(job: Answer, _: Arm) -> Answer:
    """What a restart finds. ``wrong`` names the first broken promise, if any."""
    operation = OPERATIONS[job["operation"]]

    def work(say: Callable[[Answer], None]) -> None:
        try:
            asyncio.run(_judge(operation, store_at(job["root"], operation.later), job, say))
        except (AssertionError, PanaversityError) as fault:
            say({"wrong": f"{type(fault).__name__}: {fault}"[:600]})

    status, said = in_a_child(work)
    return {"status": status, **said}


async def _judge(operation: Operation, store: Store, job: Answer, say: Callable[[Answer], None]) -> None:
    before, after = operation.states
    async with store.open() as library:
        if operation.damaged:
            say({"state": "same" if await _is_no_worse(library) else "neither: more is damaged than before"})
        else:
            seen = await assert_store_ok(store, killed=True, strays=job.get("strays", False))
            unnamed = len(store.medium.names()) - seen.blobs
            found = _which(_all_of(seen), before, after, operation.halfway)
            say({"state": found, "temporary": seen.leftovers, "unnamed": unnamed})
        await operation.run(library)
        revision = (await library.write(BOOK, LAST, b"and on", CALLER, expected=None)).revision
    seen = await assert_store_ok(store, killed=True, strays=job.get("strays", False))
    wanted = {**after, LAST: digest_of(b"and on")}
    assert _all_of(seen) == wanted, "the repeated request did not end in the state it asks for"
    # What is repaired is logged after it was done: an entry may be missing, nothing else.
    say({"twin": [revision, 0 if operation.damaged else seen.entries]})
    await _nothing_is_left_for_ever(store)


async def _nothing_is_left_for_ever(store: Store) -> None:
    """When the pins have run out, gc takes what the dead process left, and nothing else (F35)."""
    store.clock.now += timedelta(days=2)
    async with store.open() as library:
        await collect_all(library)
        sites, _ = await library.site_usage()
    assert len(store.medium.site_names()) == sites, "gc leaves a site that no row names, or a row without its site"
    seen = await assert_store_ok(store)
    assert len(store.medium.names()) == seen.blobs, "gc leaves bytes that no row names"


def _all_of(seen: Seen) -> dict[str, Digest]:
    """Path → digest of the base, and of overlays behind their user and a blank."""
    layers = {f"{user} {path}": d for (_, user), held in seen.overlays.items() for path, d in held.items()}
    return seen.state.get(BOOK, {}) | layers


async def _is_no_worse(library: Library) -> bool:
    """True when nothing is damaged but what was before."""
    depth = Depth(structure=True, wanted=lambda rows: {row.sha256 for row in rows}, audit=True)
    known = {digest_of(FIRST[path]) for path in (lesson(0), ASSET)}
    return not [f async for f in library.inspect(depth) if f.digest not in known and f.kind != "unreferenced"]


def _which(
    state: dict[str, Digest], before: dict[str, Digest], after: dict[str, Digest], between: list[dict[str, Digest]]
) -> str:
    if state == before:
        return "before" if before != after else "same"
    if state in between:
        return "halfway"
    return "after" if state == after else f"neither: {sorted(state)}"


def prepare(job: Answer, _: Arm) -> Answer:
    """The template, and the twin: revision and log length after one undisturbed run and its repetition."""
    operation = OPERATIONS[job["operation"]]

    def work(_: Callable[[Answer], None]) -> None:
        asyncio.run(operation.prepare(store_at(job["template"])))

    shutil.rmtree(job["template"], ignore_errors=True)
    os.makedirs(job["template"])
    status, said = in_a_child(work)
    return {"status": status, **said}


def once(name: str, root: str) -> None:
    """Carry one operation out in this very process, for ``strace``; prints the shim's count."""
    arm = this_arm()
    operation = OPERATIONS[name]
    trace = os.open(root + ".trace", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    arm.arm(root, 0, "count", trace)
    asyncio.run(
        carry_out(operation, store_at(root, operation.later), lambda: None, lambda _: None, lambda _: None, False)
    )
    print(arm.disarm())


def serve() -> None:
    """Answer jobs until standard input ends."""
    arm = this_arm()
    print(json.dumps({"arm": arm.name, "head": HEAD, "store": panaversity_fs.store.local_blobs.__name__}), flush=True)
    jobs = {"prepare": prepare, "break": break_it, "judge": judge}
    for line in sys.stdin:
        job = json.loads(line)
        print(json.dumps(jobs[job["do"]](job, arm)), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["once"]:
        once(*sys.argv[2:4])
    else:
        serve()
