"""When and by whom lessons were last written, as hydrate keeps it for a site: asked once, true, never in the way."""

import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_builder.book.hydrate.written import is_current, written_digest
from panaversity_builder.book.sealed import seal
from panaversity_builder.client import LastWritten
from panaversity_builder.client.answers import metadata_of
from panaversity_fs.core.errors import Unavailable
from support.hydrated import BOOK, LESSON, OTHER, Desk

STORED = "content/01-Part/01-Chapter/01-one.md"
ADA = LastWritten("2026-02-03T04:05:06.000Z", "ada")


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    desk.server.books[BOOK].written[STORED] = ADA
    return desk


def rows(desk):
    return json.loads((desk.state / "metadata.json").read_text())["files"]


def asked(desk):
    return desk.server.calls.count("manifest_metadata")


def test_it_is_kept_by_path_of_the_folder_when_a_site_shows_it(desk):
    result = desk.hydrate(metadata=True)
    assert rows(desk)[LESSON] == {"at": ADA.at, "by": "ada"}
    assert set(rows(desk)) == set(desk.wanted)
    assert result.metadata_digest == written_digest((desk.state / "metadata.json").read_bytes())


def test_it_is_kept_by_book_path_in_a_storage_tree_and_only_within_the_scope(desk):
    desk.hydrate(metadata=True, tree="storage", scope="content")
    assert rows(desk)[STORED]["by"] == "ada"
    assert all(path.startswith("content/") for path in rows(desk))


def test_FR_105_nobody_is_asked_where_no_site_shows_it(desk):
    result = desk.hydrate()
    assert asked(desk) == 0
    assert result.metadata_digest is None
    assert not (desk.state / "metadata.json").exists()


def test_FR_105_an_unchanged_book_is_one_request_and_a_changed_one_three(desk):
    desk.hydrate(metadata=True)
    first = (desk.state / "metadata.json").read_bytes()
    assert desk.hydrate(metadata=True).requests == 1
    desk.put(LESSON, b"# One, better\n")
    assert desk.hydrate(metadata=True).requests == 3
    assert (desk.state / "metadata.json").read_bytes() != first
    assert asked(desk) == 2


def test_a_book_written_and_written_back_has_the_same_manifest_and_other_dates(desk):
    before = desk.hydrate(metadata=True)
    old = desk.wanted[LESSON]
    desk.put(LESSON, b"for a moment")
    desk.put(LESSON, old)
    desk.server.books[BOOK].written[STORED] = LastWritten("2027-01-01T00:00:00.000Z", "grace")
    after = desk.hydrate(metadata=True)
    assert after.manifest_hash == before.manifest_hash
    assert (after.metadata_digest != before.metadata_digest, rows(desk)[LESSON]["by"]) == (True, "grace")


def test_the_digest_goes_by_what_is_shown_not_by_the_revision(desk):
    before = desk.hydrate(metadata=True)
    old = desk.wanted[LESSON]
    desk.put(LESSON, b"for a moment")
    desk.put(LESSON, old)
    after = desk.hydrate(metadata=True)
    assert asked(desk) == 2
    assert after.metadata_digest == before.metadata_digest


def test_a_site_that_no_longer_shows_it_loses_it(desk):
    desk.hydrate(metadata=True)
    desk.hydrate()
    assert not (desk.state / "metadata.json").exists()


def test_it_is_fetched_before_the_first_file_is_touched(desk):
    desk.hydrate(metadata=True)
    desk.put(LESSON, b"# Other\n")
    desk.server.calls.clear()
    desk.hydrate(metadata=True)
    assert desk.server.calls == ["plan_build", "manifest_metadata", "fetch_pack"]


def test_an_older_server_costs_a_warning_and_not_the_hydrate(desk):
    desk.server.trouble.no_metadata = True
    result = desk.hydrate(metadata=True)
    assert desk.tree == desk.wanted
    assert result.metadata_digest is None
    assert not (desk.state / "metadata.json").exists()


@pytest.mark.parametrize("harm", [b"", b"{}", b"[]", b'{"files": 1}', seal({"format": 1}), seal({"format": 9})])
def test_F48_a_damaged_file_is_asked_for_again(desk, harm):
    good = desk.hydrate(metadata=True)
    (desk.state / "metadata.json").write_bytes(harm)
    assert written_digest(harm) is None
    assert not is_current(harm, good.manifest_hash, good.revision)
    assert desk.hydrate(metadata=True).metadata_digest == good.metadata_digest
    assert rows(desk)[LESSON]["by"] == "ada"


def test_offline_it_stays_while_the_manifest_does_and_is_not_guessed_after(desk):
    good = desk.hydrate(metadata=True)
    assert desk.hydrate(metadata=True, offline=True).metadata_digest == good.metadata_digest
    (desk.state / "metadata.json").unlink()
    assert desk.hydrate(metadata=True, offline=True).metadata_digest is None
    assert asked(desk) == 1


def test_a_deleted_lesson_leaves_the_rows(desk):
    desk.hydrate(metadata=True)
    desk.remove(OTHER)
    desk.hydrate(metadata=True)
    assert OTHER not in rows(desk)


@given(at=st.datetimes(datetime(2000, 1, 1), timezones=st.timezones()), by=st.text())
def test_moments_have_one_form_however_a_server_writes_them(at, by):
    body = {"files": {"content/a.md": {"last_modified": at.isoformat(), "agent_id": by}}}
    (written,) = metadata_of("here", body).values()
    assert written.at.endswith("Z")
    assert written.by == by
    again = {"files": {"content/a.md": {"last_modified": written.at, "agent_id": by}}}
    assert metadata_of("here", again)["content/a.md"] == written


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"files": []},
        {"files": {"a": None}},
        {"files": {"a": {"last_modified": "yesterday", "agent_id": "x"}}},
        {"files": {"a": {"last_modified": "2026-01-01T00:00:00", "agent_id": "x"}}},
        {"files": {"a": {"last_modified": "0001-01-01T00:00:00+23:00", "agent_id": "x"}}},
        {"files": {"a": {"last_modified": "2026-01-01T00:00:00Z", "agent_id": 1}}},
    ],
)
def test_an_answer_of_another_form_is_an_error_here(body):
    with pytest.raises(Unavailable, match="malformed"):
        metadata_of("http://server", body)
