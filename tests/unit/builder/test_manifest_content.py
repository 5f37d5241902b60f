"""The bytes behind a comparison: where they are taken from, what is believed, and what is said of each file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_builder.book.compare import compare
from panaversity_builder.book.compare import content as content_module
from panaversity_builder.book.compare.content import differences
from panaversity_builder.book.compare.differences import LARGEST, file_difference, is_binary_name
from panaversity_builder.book.compare.operands import BookOnServer, operand_of
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import HashMismatch, ServerUnreachable
from panaversity_fs.core.manifest import parse
from support.finding import Finder
from support.hydrated import BOOK, IMAGE, LESSON, OTHER, Desk


@pytest.fixture
def finder(tmp_path):
    return Finder(tmp_path)


@pytest.fixture
def desk(finder):
    return finder.desk


def told(finder, a, b, has_book=True):
    """Path → what is said of its content."""

    def book():
        return BookOnServer(finder.desk.server, BOOK) if has_book else None

    return {change.path: found for change, found in differences(compare(*finder.find(a, b)), book)}


def test_old_bytes_come_from_the_folder_and_new_ones_from_the_server(finder, desk):
    desk.put(LESSON, b"# One\r\nmore\r\n")
    desk.server.calls.clear()
    found = told(finder, "local", "remote")[f"content/{LESSON}"]
    assert desk.server.calls == ["plan_build", "fetch_pack"]
    assert (found.kind, found.diff.added, found.diff.removed) == ("text", 1, 0)
    assert "+more\r\n" in found.diff.text
    assert found.diff.text.startswith(f"--- a/content/{LESSON}\n+++ b/content/{LESSON}\n")


def test_an_edited_file_is_not_taken_for_what_the_manifest_names(finder, desk):
    (desk.out / LESSON).write_bytes(b"my own edit")
    desk.put(LESSON, b"# Uno\n")
    found = told(finder, "local", "remote")[f"content/{LESSON}"]
    assert "my own edit" not in found.diff.text
    assert "-# One\r\n" in found.diff.text


def test_a_link_in_the_place_of_a_file_is_not_followed(finder, desk):
    (desk.out / LESSON).unlink()
    (desk.out / LESSON).symlink_to(desk.canary)
    desk.put(LESSON, b"# Uno\n")
    assert told(finder, "local", "remote")[f"content/{LESSON}"].kind == "text"


def test_bytes_that_nobody_has_are_said_to_be_missing(finder, desk, tmp_path):
    for name, text in (("a", b"one"), ("b", b"two")):
        (tmp_path / name).write_bytes(f"content/x.md:{digest_of(text)}\n".encode())
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    assert told(finder, a, b, has_book=False)["content/x.md"].kind == "missing"
    assert told(finder, a, b)["content/x.md"].kind == "missing"
    assert (
        told(finder, str(desk.state / "manifest.txt"), "empty")[f"content/{OTHER}"].kind == "text"
    )  # the configured server knows this manifest


def test_images_are_called_binary_and_never_fetched(finder, desk):
    desk.put(IMAGE, b"\x89PNG two")
    desk.server.calls.clear()
    assert told(finder, "local", "remote")[f"static/img/{IMAGE.replace('/img/', '/')}"].kind == "binary"
    assert "fetch_pack" not in desk.server.calls


def test_a_large_text_is_said_to_be_large_wherever_it_lies(finder, desk):
    desk.put(LESSON, b"x" * (LARGEST + 1))
    assert told(finder, "local", "remote")[f"content/{LESSON}"].kind == "large"
    desk.hydrate()
    desk.server.calls.clear()
    assert told(finder, "empty", "local")[f"content/{LESSON}"].kind == "large"
    assert "fetch_pack" not in desk.server.calls


def test_a_rename_needs_no_bytes(finder, desk):
    desk.put("moved/" + OTHER, b"# Two")
    desk.remove(OTHER)
    desk.server.calls.clear()
    assert told(finder, "local", "remote")[f"content/moved/{OTHER}"].kind == "same"
    assert "fetch_pack" not in desk.server.calls


def test_bytes_that_arrive_broken_are_asked_for_again_and_never_shown(finder, desk):
    digest = digest_of(b"# Uno\n")
    desk.put(LESSON, b"# Uno\n")
    desk.server.trouble.wrong.add(digest)
    desk.server.trouble.alterations = 1
    assert "+# Uno\n" in told(finder, "local", "remote")[f"content/{LESSON}"].diff.text
    desk.server.trouble.alterations = None
    with pytest.raises(HashMismatch):
        told(finder, "local", "remote")


def test_a_server_that_goes_away_in_between_is_status_10(finder, desk):
    desk.put(LESSON, b"# Uno\n")
    compared = compare(*finder.find("local", "remote"))
    desk.server.trouble.unavailable = 99
    with pytest.raises(ServerUnreachable):
        list(differences(compared, lambda: None))


def test_any_number_of_files_is_held_a_few_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(content_module, "BATCH", 3)
    desk = Desk(tmp_path, {f"{n:02}.md": b"text %d" % n for n in range(10)})
    (text,) = [desk.server.manifest_text(BOOK, desk.server.plan_build(BOOK).manifest_hash)]
    book = BookOnServer(desk.server, BOOK)
    compared = compare(operand_of("a", {}), operand_of("b", parse(text), book))
    before = desk.server.traffic.requests
    found = list(differences(compared, lambda: None))
    assert [change.path for change, _ in found] == [f"content/{n:02}.md" for n in range(10)]
    assert all("+text" in difference.diff.text for _, difference in found)
    assert desk.server.traffic.requests - before == 4


# --- one file ----------------------------------------------------------------------------------------------------


def test_D8_line_ends_are_a_difference_that_is_named():
    found = file_difference(b"a\r\nb\r\n", b"a\nb\n", "x", "x")
    assert found.line_ends
    assert (found.diff.added, found.diff.removed) == (2, 2)
    assert "-a\r\n+a\n" in found.diff.text.replace("-b\r\n", "").replace("+b\n", "")
    assert not file_difference(b"a\r\nb", b"a\nc", "x", "x").line_ends
    assert not file_difference(None, b"", "x", "x").line_ends


def test_D8_a_missing_last_line_end_is_said():
    assert "\\ No newline at end of file" in file_difference(b"a", b"a\n", "x", "x").diff.text


def test_what_is_new_or_gone_is_compared_with_nothing():
    assert file_difference(None, b"a\n", None, "x").diff.text.startswith("--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n")
    assert file_difference(b"a\n", None, "x", None).diff.text.startswith("--- a/x\n+++ /dev/null\n")
    assert file_difference(None, b"", None, "x").diff.text == ""


@pytest.mark.parametrize("data", [b"\0", b"\xff", b"text\0", b"\xed\xa0\x80"])
def test_what_is_no_text_is_binary(data):
    assert file_difference(b"text", data, "x", "x").kind == "binary"
    assert file_difference(data, None, "x", None).kind == "binary"


def test_names_tell_what_need_not_be_fetched():
    names = ("a.png", "a.PNG", "a.svg", "a.md", "a.csv", "png", ".png", "a.mp4")
    assert [name for name in names if is_binary_name(f"d/{name}")] == ["a.png", "a.PNG", "a.mp4"]


@given(st.binary(max_size=200) | st.none(), st.binary(max_size=200) | st.none())
def test_any_two_versions_compare_to_something_that_can_be_told(old, new):
    found = file_difference(old, new, "x", "x")
    assert found.kind in ("text", "binary")
    assert set(found.to_json()) >= {"content"}
    if found.kind == "text" and old != new and (old or new):
        assert found.diff.text
