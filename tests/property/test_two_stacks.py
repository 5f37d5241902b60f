"""SQLite with a folder and PostgreSQL with an object store give the same answers, codes and manifests (F29, P15)."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from panaversity_fs.library import Library, open_library
from panaversity_fs.store.blobs import BlobStore
from panaversity_fs.store.local_blobs import LocalBlobs
from support import postgres
from support.object_store import InBucket, moto
from support.programs import Run, StepClock, program

PROGRAMS = 400 if os.environ.get("PANAVERSITY_TEST_FULL", "") == "1" else 6


@asynccontextmanager
async def opened(url: str, blobs: BlobStore) -> AsyncIterator[tuple[Library, StepClock]]:
    """A library whose time and chance are the program's."""
    clock, numbers = StepClock(), count()
    async with open_library(
        url, "", blobs=blobs, clock=clock, monotonic=lambda: 0.0, token=lambda: f"{next(numbers):032x}"
    ) as library:
        yield library, clock


def first_difference(one: list[Any], other: list[Any]) -> str:
    """Where two runs of a program part, in words."""
    for mine, theirs in zip(one, other, strict=True):
        if mine != theirs:
            return f"SQLite + folder: {mine}\nPostgreSQL + S3: {theirs}"
    return ""


@pytest.mark.timeout(3600 if PROGRAMS > 100 else 240)
def test_F29_P15_SC_008_SC_105_the_same_programs_give_the_same_answers_on_both_stacks(tmp_path: Path) -> None:
    url = postgres.new_database()

    async def run() -> list[str]:
        here = opened(f"sqlite+aiosqlite:///{tmp_path}/here.db", LocalBlobs(str(tmp_path / "blobs")))
        async with here as (local, local_clock), opened(url, InBucket(moto()).blobs) as (cloud, cloud_clock):
            found = []
            for seed in range(PROGRAMS):
                steps, book = program(seed), f"book-{seed}"
                mine = await Run(local, book, local_clock).go(steps)
                theirs = await Run(cloud, book, cloud_clock).go(steps)
                if difference := first_difference(mine, theirs):
                    found.append(f"program {seed}\n{difference}")
            return found

    found = asyncio.run(run())
    print(f"two stacks: {PROGRAMS} programs, {len(found)} differ")
    assert not found, "\n\n".join(found[:3])


def test_programs_do_something_and_are_drawn_from_their_seed_alone() -> None:
    verbs = {verb for seed in range(40) for verb, _ in program(seed)}
    assert len(verbs) > 22
    assert program(3) == program(3)
    assert program(3) != program(4)
