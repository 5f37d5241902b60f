"""What the Python builder leaves beside the content is what the npm package reads there: formats, verdicts, dates."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from panaversity_builder.client import LastWritten
from panaversity_fs.core.errors import PanaversityError
from support.hydrated import BOOK, LESSON, OTHER, Desk

PACKAGE = Path(__file__).parents[2] / "learn-app-hooks"
JUDGE = """
import {judgeContent} from %(judge)s;
import {readJournal} from %(journal)s;
for (const line of (await new Response(process.stdin).text()).trim().split('\\n')) {
  const {docs, options, file} = JSON.parse(line);
  const {state, problem, manifest} = judgeContent(docs, options);
  const said = [];
  const row = readJournal(docs, (text) => said.push(text)).find(file);
  console.log(JSON.stringify({state, problem, manifest, row, said}));
}
"""

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="needs node")


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    desk.server.books[BOOK].written["content/01-Part/01-Chapter/01-one.md"] = LastWritten(
        "2026-02-03T04:05:06.000Z", "ada"
    )
    return desk


def judged(desk, **options):
    """The verdict of the npm package on the desk's folder, and what it knows of one lesson."""
    urls = {name: json.dumps((PACKAGE / path).as_uri()) for name, path in _MODULES.items()}
    request = {"docs": str(desk.out), "options": options, "file": str(desk.out / LESSON)}
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", JUDGE % urls],
        input=json.dumps(request), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


_MODULES = {"judge": "src/content/judge.js", "journal": "src/last-updated/journal.js"}


def test_a_hydrated_folder_is_whole_and_its_dates_are_known(desk):
    result = desk.hydrate(metadata=True)
    verdict = judged(desk, verify=True, bookId=BOOK)
    assert (verdict["state"], verdict["manifest"]["manifest_hash"]) == ("whole", result.manifest_hash)
    assert verdict["row"] == {"at": 1770091506000, "by": "ada"}
    assert verdict["said"] == []


def test_it_stays_whole_after_a_delta_and_after_a_run_that_changed_nothing(desk):
    desk.hydrate()
    desk.put(LESSON, b"# One, better\n")
    desk.remove(OTHER)
    for _ in range(2):
        desk.hydrate()
        assert judged(desk)["state"] == "whole"


def test_R11_a_lesson_edited_or_deleted_in_the_folder_is_seen(desk):
    desk.hydrate()
    (desk.out / LESSON).write_bytes(b"# 0ne\r\n")  # as long as before
    assert judged(desk)["problem"] == f"is not what was hydrated: altered {LESSON}"
    (desk.out / LESSON).unlink()
    assert judged(desk)["problem"] == f"is not what was hydrated: missing {LESSON}"


def test_F10_an_interrupted_hydrate_is_half_a_folder_until_it_is_ended(desk):
    desk.hydrate()
    desk.put(LESSON, b"# Other\n")
    desk.server.trouble.cut_pack_after, desk.server.trouble.cuts = 1, 9
    assert isinstance(desk.attempt(), PanaversityError)
    assert judged(desk)["state"] == "unfinished"
    desk.server.trouble.cuts = 0
    desk.hydrate()
    assert judged(desk)["state"] == "whole"


def test_a_moved_manifest_file_is_found_where_it_is(desk):
    moved = desk.place / "moved.json"
    desk.hydrate(manifest_file=str(moved))
    assert judged(desk)["state"] == "stale"
    assert judged(desk, manifestFile=str(moved))["state"] == "whole"


def test_names_in_other_scripts_are_the_same_on_both_sides(desk):
    name = "01-Part/01-Chapter/03-日本語 ünïcode.md"
    desk.put(name, "# 日本語\n".encode())
    desk.hydrate(metadata=True)
    assert os.path.exists(desk.out / name)
    assert judged(desk, verify=True)["state"] == "whole"
