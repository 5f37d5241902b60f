"""Which manifest a word means, what differs between two, and what a hostile or damaged one does."""

import hashlib
import json
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_builder.book.compare import compare, needs_server
from panaversity_builder.book.compare.operands import NOTHING, operand_of
from panaversity_builder.book.compare.sums import sums
from panaversity_builder.book.compare.texts import parse_sums, placed
from panaversity_fs.core.digest import EMPTY, digest_of
from panaversity_fs.core.errors import HashMismatch, InvalidArgument, InvalidPath, NotFound
from panaversity_fs.core.manifest import changed_paths, render
from panaversity_fs.core.mapping import Numbering
from support.finding import Finder
from support.hydrated import BOOK, LESSON, OTHER

A, B = digest_of(b"a"), digest_of(b"b")


@pytest.fixture
def finder(tmp_path):
    return Finder(tmp_path)


@pytest.fixture
def desk(finder):
    return finder.desk


def test_a_hydrated_folder_equals_the_book_until_one_of_them_changes(finder, desk):
    local = f"local:{desk.out}"
    assert finder.lines(local, "remote") == []
    desk.put(LESSON, b"changed")
    desk.put("01-Part/01-Chapter/03-three.md", b"new")
    desk.put("01-Part/03-Chapter/02-moved.md", b"# Two")
    desk.remove(OTHER)
    desk.remove("README.md")
    assert finder.lines("local", "remote") == [
        f"M\tcontent/{LESSON}",
        f"R100\tcontent/{OTHER}\tcontent/01-Part/03-Chapter/02-moved.md",
        "A\tcontent/01-Part/01-Chapter/03-three.md",
        "D\tcontent/README.md",
    ]


def test_SC_103_every_kind_of_operand_means_the_same_manifest(finder, desk, tmp_path):
    manifest = desk.hydrate().manifest_hash
    listed = tmp_path / "SHA256SUMS"
    listed.write_text("".join(line + "\n" for line in sums(*finder.find("local"), None, None, None)))
    operands = [
        "remote",
        "local",
        f"local:{desk.out}",
        str(desk.out),
        str(desk.state / "manifest.txt"),
        str(desk.state / "manifest.json"),
        manifest,
        manifest[:8],
        str(listed),
        f"http://other:1#{BOOK}",
    ]
    loaded = finder.find(*operands)
    assert {operand.manifest_hash for operand in loaded} == {manifest}
    assert len({tuple(operand.lines()) for operand in loaded}) == 1
    assert [operand for operand in operands if needs_server(operand)] == ["remote", f"http://other:1#{BOOK}"]


def test_what_lies_here_costs_no_request(finder, desk):
    before = desk.server.traffic.requests
    manifest = digest_of((desk.state / "manifest.txt").read_bytes())
    finder.find("local", str(desk.out), manifest, manifest[:20], NOTHING, EMPTY, str(desk.state / "manifest.txt"))
    assert desk.server.traffic.requests == before


def test_a_manifest_told_long_ago_is_asked_of_the_server(finder, desk):
    (old,) = finder.find("remote")
    desk.put(LESSON, b"changed")
    desk.hydrate()
    assert finder.lines(old.manifest_hash, "local") == [f"M\tcontent/{LESSON}"]


def test_a_manifest_json_that_was_moved_away_from_its_text_stands_for_its_hash(finder, desk, tmp_path):
    moved = tmp_path / "elsewhere.json"
    moved.write_bytes((desk.state / "manifest.json").read_bytes())
    assert finder.lines(str(moved), "remote") == []


def test_the_manifest_file_setting_moves_where_local_is_read(finder, desk, tmp_path):
    moved = tmp_path / "elsewhere.json"
    os.rename(desk.state / "manifest.json", moved)
    (found,) = finder.find("local", manifest_file=str(moved))
    assert len(found.entries) == 6


def test_the_empty_manifest_has_a_word_and_a_hash(finder):
    for word in (NOTHING, EMPTY, EMPTY[:8]):
        compared = compare(*finder.find(word, "remote"))
        assert (compared.count("A"), len(compared.changes)) == (6, 6)


@pytest.mark.parametrize("word", ["nowhere", "nul\0byte", "abcdef1", "f" * 64, "0" * 12, "local:nowhere", "F" * 64, ""])
def test_a_word_that_means_nothing_is_status_2_and_says_what_would(finder, word):
    with pytest.raises(NotFound) as caught:
        finder.find(word)
    assert caught.value.exit_status == 2
    for known in ("remote", "local:DIR", "URL#BOOK", "sha256sum", "empty"):
        assert known in caught.value.hint


def test_a_prefix_of_two_known_hashes_is_refused_with_both(finder, desk, monkeypatch):
    known = finder.find("local")
    from panaversity_builder.book.compare import recorded, resolving

    two = [recorded.Recorded("deadbeef" + digit * 56, dict(known[0].entries)) for digit in "12"]
    monkeypatch.setattr(resolving, "known_texts", lambda *_: two)
    with pytest.raises(NotFound, match=r"begins 2 manifest hashes: deadbeef1\d+, deadbeef2\d+"):
        finder.find("deadbeef")
    assert finder.find("deadbeef1")[0].entries == known[0].entries


def test_what_ingests_remember_is_known_here(finder, desk, tmp_path):
    from panaversity_builder.book.ingest import IngestOptions, ingest

    source = tmp_path / "source"
    source.mkdir()
    (source / "one.md").write_text("one")
    done = ingest(desk.server, IngestOptions("other", str(source), str(tmp_path / ".panaversity")))
    before = desk.server.traffic.requests
    (found,) = finder.find(done.manifest_hash[:10], book_id="other")
    assert (dict(found.entries), desk.server.traffic.requests) == ({"content/one.md": digest_of(b"one")}, before)


@pytest.mark.parametrize("word", ["http://host", "http://host#", "http://host#Not A Book", "http://host?x=1#guide"])
def test_an_address_without_a_book_is_status_2(finder, word):
    with pytest.raises(InvalidArgument) as caught:
        finder.find(word)
    assert caught.value.exit_status == 2


def test_credentials_of_an_address_are_never_shown(finder):
    (found,) = finder.find(f"http://me:secret@host#{BOOK}")
    assert found.name == f"host#{BOOK}"
    with pytest.raises(InvalidArgument) as caught:
        finder.find("http://me:secret@host?q=1#bk")
    assert "secret" not in str(caught.value)


def test_a_server_operand_without_a_book_says_what_to_set(finder):
    with pytest.raises(InvalidArgument, match="--book-id"):
        finder.find("remote", book_id=None)


def test_a_book_nobody_created_is_not_found(finder):
    with pytest.raises(NotFound, match="mistyped"):
        finder.find("remote", book_id="mistyped")


def test_a_folder_without_state_is_not_taken_for_an_empty_book(finder, desk):
    with pytest.raises(NotFound, match="hydrated"):
        finder.find(f"local:{desk.place}")


@pytest.mark.parametrize("damage", [b"", b"{", b"x:y\n", b"\xff\xfe"])
def test_F48_a_damaged_record_is_an_error_and_never_another_manifest(finder, desk, damage):
    for name in ("manifest.txt", "manifest.json"):
        good = (desk.state / name).read_bytes()
        (desk.state / name).write_bytes(damage)
        with pytest.raises(HashMismatch) as caught:
            finder.find("local")
        assert caught.value.exit_status == 13
        (desk.state / name).write_bytes(good)


@pytest.mark.parametrize(
    "data",
    [b"not yours", b"content/a.md:" + b"0" * 63 + b"\n", b"content/a.md:" + A.encode(), b"\xff\xfe",
     render({"content/a.md": A}).replace(b"\n", b"\r\n"), b'{"book_id": 1}',
     b"b:" + A.encode() + b"\na:" + A.encode() + b"\n"],
)  # fmt: skip
def test_a_file_that_is_no_manifest_is_refused_by_name_and_line(finder, tmp_path, data):
    (tmp_path / "odd").write_bytes(data)
    with pytest.raises(HashMismatch) as caught:
        finder.find(str(tmp_path / "odd"))
    assert str(tmp_path / "odd") in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["content/\x1b[31mred.md", "content/\u202eevil.md", "content/a\u200bb.md", 'content/"q".md', "../../etc/passwd",
     "/etc/passwd", "content/a\tb.md", "content/a\\b.md", "content/cafe\u0301.md", "content/:x.md", "x" * 1001],
)  # fmt: skip
def test_S18_a_name_no_book_can_hold_is_refused_and_shown_escaped(finder, tmp_path, name):
    for number, text in enumerate((render({name: A}), f"{A}  {name}\n".encode())):
        (tmp_path / f"hostile{number}").write_bytes(text)
        with pytest.raises(InvalidPath) as caught:
            finder.find(str(tmp_path / f"hostile{number}"), tree="storage")
        assert str(caught.value).isprintable()


def test_F62_a_server_that_answers_another_text_is_found_out(finder, desk, monkeypatch):
    told = digest_of(b"told")
    monkeypatch.setattr(desk.server, "manifest_text", lambda *_: b"")
    with pytest.raises(HashMismatch, match="another text"):
        finder.find(told)
    desk.server.trouble.lie_in_plan[f"content/{LESSON}"] = A
    with pytest.raises(HashMismatch, match="another text"):
        finder.find("remote")


def test_F62_a_server_that_tells_a_hostile_name_is_refused(finder, desk):
    desk.server.put(BOOK, "content/\x1b]0;owned\x07.md", b"x")
    with pytest.raises(InvalidPath) as caught:
        finder.find("remote")
    assert str(caught.value).isprintable()


# --- sha256sum lines ---------------------------------------------------------------------------------------------


def test_sums_are_read_in_both_modes_and_as_find_writes_them():
    text = f"# a comment\n{A}  ./01-A/x.md\n{A.upper()} *01-A/y.md\n\n{B}  ./.panaversity/index\n"
    assert parse_sums(text.encode(), "SUMS") == {"01-A/x.md": A, "01-A/y.md": A}


@pytest.mark.parametrize(
    "line", [f"\\{A}  a\\nb", f"{A} a", f"{A[:-1]}  a", f"{B}  twice", "SHA256 (a) = " + A, f"{A}  a\r"]
)
def test_a_line_that_is_none_of_sha256sum_is_refused_with_its_number(line):
    data = f"{A}  twice\n{line}\n".encode()
    if line.endswith("\r"):  # a name may end so; the grammar of paths refuses it
        assert parse_sums(data, "SUMS").keys() == {"twice", "a\r"}
    else:
        with pytest.raises(HashMismatch, match="SUMS: line 2"):
            parse_sums(data, "SUMS")


def test_names_of_a_source_tree_take_the_numbering_of_the_other_side(finder, desk, tmp_path):
    """The top folder does not tell the numbering, so it can come from nowhere else."""
    files = {"Guide/Part-01/03-x.md": b"x", "Guide/Part-01/img/d.png": b"png"}
    desk.book.numbering = Numbering.NAME_NUMBER
    desk.book.entries.clear()
    for path, data in files.items():
        desk.put(path, data)
    (tmp_path / "SUMS").write_text("".join(f"{digest_of(data)}  {path}\n" for path, data in files.items()))
    listed = str(tmp_path / "SUMS")
    assert finder.lines(listed, "remote") == finder.lines("remote", listed) == []
    assert finder.lines(listed, "empty") != finder.lines("remote", "empty")


def test_a_tree_that_is_numbered_both_ways_asks_for_the_numbering():
    entries = {"01-A/x.md": A, "B-02/x.md": A}
    with pytest.raises(HashMismatch, match="--numbering"):
        placed(entries, None, None, "SUMS")
    assert placed(entries, Numbering.NAME_NUMBER, None, "SUMS") == {"content/A-01/x.md": A, "content/02-B/x.md": A}


book_paths = st.sampled_from(
    ["content/README.md", "content/01-A/x.md", "content/01-A/02-B/03-c.md", "content/01-A/data.csv",
     "static/img/01-A/d.png", "static/img/01-A/@/d.png", "static/videos/02-B/v.mp4", "content/02-B/README.md"]
)  # fmt: skip
manifests = st.dictionaries(book_paths, st.sampled_from([A, B, EMPTY]))
numberings = st.sampled_from(Numbering)


@given(manifests, numberings)
def test_SC_103_exported_and_read_again_a_manifest_is_the_same(entries, numbering):
    operand = operand_of("x", entries, None, numbering)
    for tree in ("source", "storage"):
        lines = list(sums(operand, tree, "all", None))
        assert [line[66:] for line in lines] == sorted(line[66:] for line in lines)
        read = parse_sums("".join(f"{line}\n" for line in lines).encode(), "x")
        assert placed(read, numbering, tree, "x") == entries


@given(manifests, manifests)
def test_SC_103_a_comparison_names_every_changed_path_once(a, b):
    compared = compare(operand_of("a", a), operand_of("b", b))
    named = [path for change in compared.changes for path in filter(None, (change.old, change.path))]
    assert sorted(named) == changed_paths(a, b)
    assert compared.unchanged == sum(a[path] == b.get(path) for path in a)
    assert (compared.first is None) == (a == b) == (not compared)
    assert compared.first is None or compared.first == min(changed_paths(a, b))
    for change in compared.changes:
        assert (change.before, change.after) == (a.get(change.old or change.path), b.get(change.path))


def test_an_export_without_a_numbering_is_refused_where_it_matters():
    plain = operand_of("x", {"content/README.md": A})
    assert list(sums(plain, None, None, None)) == [f"{A}  README.md"]
    numbered = operand_of("x", {"content/01-A/x.md": A})
    with pytest.raises(InvalidArgument, match="--numbering"):
        sums(numbered, None, None, None)
    assert list(sums(numbered, None, None, Numbering.NAME_NUMBER)) == [f"{A}  A-01/x.md"]
    assert list(sums(numbered, "storage", "content", None)) == [f"{A}  content/01-A/x.md"]
    assert list(sums(numbered, "storage", "assets", None)) == []


# --- comparing ---------------------------------------------------------------------------------------------------


def both(a, b, scope="all", patterns=()):
    return compare(operand_of("a", a), operand_of("b", b), scope, patterns)


def test_F43_a_rename_that_only_changes_case_is_a_rename():
    compared = both({"content/README.md": A}, {"content/Readme.md": A})
    assert list(compared.records()) == [["R100", "content/README.md", "content/Readme.md"]]


@pytest.mark.parametrize(
    ("patterns", "scope", "named"),
    [
        ((), "content", ["content/01-A/x.md", "content/02-B/y.md"]),
        ((), "assets", ["static/img/01-A/d.png"]),
        (("content/01-A",), "all", ["content/01-A/x.md"]),
        (("content/01-A/",), "all", ["content/01-A/x.md"]),
        (("content/01",), "all", []),
        (("*.md",), "all", ["content/01-A/x.md", "content/02-B/y.md"]),
        (("*/01-A/*",), "content", ["content/01-A/x.md"]),
        (("content/02-B/y.md", "static"), "all", ["content/02-B/y.md", "static/img/01-A/d.png"]),
        (("(a+)+$", "[", "CONTENT/*"), "all", []),
    ],
)
def test_paths_and_scope_narrow_a_comparison_down(patterns, scope, named):
    entries = dict.fromkeys(["content/01-A/x.md", "content/02-B/y.md", "static/img/01-A/d.png"], A)
    compared = both(entries, {}, scope, patterns)
    assert list(compared.names()) == named
    assert compared.first == "content/01-A/x.md"


def test_machine_form_holds_both_hashes_the_counts_and_every_file():
    document = both({"content/a.md": A, "content/b.md": B}, {"content/a.md": B, "content/c.md": B}).to_json()
    assert (document["a"]["manifest_hash"], document["a"]["file_count"]) == (
        digest_of(render({"content/a.md": A, "content/b.md": B})),
        2,
    )
    counts = [document[word] for word in ("added", "modified", "deleted", "renamed", "unchanged")]
    assert counts == [0, 1, 0, 1, 0]
    assert document["first_difference"] == {"path": "content/a.md", "a": A, "b": B}
    assert document["files"] == [
        {"status": "M", "path": "content/a.md", "before": A, "after": B},
        {"status": "R", "path": "content/c.md", "from": "content/b.md", "before": B, "after": B},
    ]
    assert json.dumps(document)


@pytest.mark.full
def test_F64_two_hundred_thousand_lines_are_read_and_compared(tmp_path, finder):
    lines = [f"content/{n // 1000:03}-Part/{n:06}-lesson.md" for n in range(200_000)]
    old = {path: digest_of(path.encode()) for path in lines}
    new = {**old, lines[7]: A, "content/zz.md": B}
    for name, entries in (("old", old), ("new", new)):
        (tmp_path / name).write_bytes(render(entries))
    compared = compare(*finder.find(str(tmp_path / "old"), str(tmp_path / "new")))
    assert list(compared.records()) == [["M", lines[7]], ["A", "content/zz.md"]]
    assert compared.a.manifest_hash == hashlib.sha256((tmp_path / "old").read_bytes()).hexdigest()


def test_every_word_of_the_help_is_one_the_resolver_knows():
    from panaversity_builder.book.compare import OPERANDS
    from panaversity_builder.cli.manifest.words import OPERANDS as IN_HELP

    words = set(re.findall(r"`([^`]+)`", IN_HELP))
    assert words == {"remote", "local", "local:DIR", "URL#BOOK", "empty"}
    assert all(word in OPERANDS for word in words)
