"""A builder that dies, or whose disk fails, at the N-th change it makes: run again it ends where one clean run ends,
and nothing of the author's was touched (P7, P8, P9; F4, F5, F11, F53; G7, G8).

Points are drawn with a seed (``PANAVERSITY_TEST_SEED``) and counted; ``make test-full`` runs all of them. At half of
them the book, or the source, has moved on before the second run.
"""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.client_mutants import MUTANTS
from support.client_worlds import WORKS
from support.crash import fast_folder
from support.crash_shim import built_shim
from support.live import clean_environment

FULL = os.environ.get("PANAVERSITY_TEST_FULL", "") == "1"
SEED = int(os.environ.get("PANAVERSITY_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
RUNNER = Path(__file__).with_name("client_crash_runner.py")
EACH = 5
"""Sampled: so many points an operation."""

pytestmark = pytest.mark.timeout(3600 if FULL else 240)


class Runner:
    """The runner's process, its worlds below ``folder``."""

    def __init__(self, folder: Path, shim: Path) -> None:
        environment = {**clean_environment(), "PYTHONDONTWRITEBYTECODE": "1", "LD_PRELOAD": str(shim)}
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, str(RUNNER)], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def sweep(self, work: str, **job: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"work": work, "place": str(self._folder), "seed": SEED, **job}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the crash runner is gone"
        return dict(json.loads(line))

    def close(self) -> None:
        self._process.communicate(timeout=60)


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    shim = built_shim()
    if shim is None:
        pytest.skip("not run: no C compiler here, so libc cannot be watched; test_hydrate_interrupted uses failpoints")
    folder = fast_folder(tmp_path_factory.mktemp("client-crash"))
    runner = Runner(folder, shim)
    yield runner
    runner.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("work", WORKS)
def test_F4_F5_F53_G7_G8_broken_at_a_change_of_the_disk_it_ends_as_a_clean_run_ends(runner: Runner, work: str) -> None:
    done = runner.sweep(work, count=0 if FULL else EACH, planted=50)
    print(f"seed {SEED}, {work}, of {done['of']}: {done['points']}, {done['seen']}, {done['seconds']} s")
    assert not done["wrong"], "\n".join(done["wrong"][:20])
    assert sum(done["points"].values()) == (done["of"] if FULL else EACH)
    assert done["of"] > 100
    assert done["seen"]["author's files looked at"] >= 50 * EACH


@pytest.mark.full
def test_P8_two_thousand_planted_files_of_the_authors_stay_as_they_are(runner: Runner) -> None:
    done = runner.sweep("hydrate delta", count=60, planted=2000)
    print(f"seed {SEED}: {done['points']}, {done['seen']}")
    assert not done["wrong"], "\n".join(done["wrong"][:20])
    assert done["seen"]["author's files looked at"] >= 120_000


NEAR = {
    "manifest.json before the files": "plan\\.json",
    "written in place": "write\t.*/out/[^.]",
    "index after apply": "unlink\t.*/out/\\.panaversity/staging",
    "staged files are believed": "write\t.*/staging/",
}
"""Where each planted bug shows, so that a sampled run need not look everywhere."""


@pytest.mark.parametrize("mutant", MUTANTS)
def test_planted_bugs_5_8_9_of_the_builder_are_caught(runner: Runner, mutant: str) -> None:
    near = "" if FULL else NEAR[mutant]
    modes = ["kill", "torn"]
    found = runner.sweep("hydrate delta", mutant=mutant, until_wrong=True, modes=modes, near=near, count=300)
    print(f"seed {SEED}, {mutant}: caught after {sum(found['points'].values())} points: {found['wrong'][:1]}")
    assert found["wrong"]
