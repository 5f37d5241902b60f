"""Manifest text and hash are pinned; parsing takes nothing that rendering would not write; differences by example."""

import hashlib
import json
from pathlib import Path

import pytest

from panaversity_fs.core.digest import EMPTY, Digest, digest_of
from panaversity_fs.core.errors import HashMismatch
from panaversity_fs.core.manifest import Diff, changed_paths, diff, manifest_hash, parse, render

GOLDEN = Path(__file__).parents[2] / "golden"
TEXT = (GOLDEN / "manifest.txt").read_bytes()
PINNED = json.loads((GOLDEN / "manifest.json").read_text(encoding="utf-8"))

A, B, C = (digest_of(letter) for letter in (b"a", b"b", b"c"))
LINE = f"content/x.md:{A}\n".encode()


def test_the_golden_text_has_the_golden_hash() -> None:
    assert hashlib.sha256(TEXT).hexdigest() == PINNED["manifest_hash"]


def test_the_golden_entries_give_the_golden_text_in_whatever_order_they_come() -> None:
    entries = {path: digest_of(text.encode()) for path, text in PINNED["files"].items()}
    assert render(entries) == TEXT
    assert render(dict(reversed(entries.items()))) == TEXT
    assert manifest_hash(entries) == PINNED["manifest_hash"]
    assert parse(TEXT) == entries


def test_the_manifest_of_an_empty_book_is_the_empty_text() -> None:
    assert render({}) == b""
    assert manifest_hash({}) == EMPTY == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert parse(b"") == {}


def test_bytes_are_told_apart_by_line_ends_and_final_newlines() -> None:
    digests = {digest_of(text) for text in (b"a\nb\n", b"a\r\nb\r\n", b"a\nb", b"a\rb\r", b"a\nb\n\n", b"a \nb\n")}
    assert len(digests) == 6


def test_paths_are_ordered_by_their_utf_8_bytes() -> None:
    paths = [
        "content/a.md",
        "content/a/b.md",
        "content/a-b.md",
        "content/Z",
        "content/é",
        "content/\U00020000",
        "content/\ufa0e",
    ]
    lines = render(dict.fromkeys(paths, A)).split(b"\n")[:-1]
    assert lines == sorted(lines)
    assert [line.rpartition(b":")[0].decode() for line in lines] == sorted(paths, key=str.encode)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"\n", 1),
        (LINE[:-1], 1),
        (LINE + b"\n", 2),
        (LINE + LINE, 2),
        (b"\xef\xbb\xbf" + LINE[:-2] + b"\n", 1),
        (LINE.replace(b"\n", b"\r\n"), 1),
        (LINE.replace(b":", b": "), 1),
        (LINE.replace(b":", b""), 1),
        (b":" + LINE.partition(b":")[2], 1),
        (LINE.upper(), 1),
        (LINE[:-2] + b"\n", 1),
        (f"b:{A}\na:{A}\n".encode(), 2),
        (f"a:{A}\nb:{A}\nb:{B}\n".encode(), 3),
        (b"\xff" + LINE, 0),
        (b"content/\xed\xa0\x80:" + A.encode() + b"\n", 0),
        (LINE + b"\x00", 2),
    ],
)
def test_SC_103_text_that_is_not_canonical_is_refused_with_its_line(text: bytes, line: int) -> None:
    with pytest.raises(HashMismatch) as caught:
        parse(text, "hydrate")
    assert caught.value.details == {"line": line}
    assert str(caught.value).startswith("hydrate: line ")


def test_F8_a_manifest_cut_or_flipped_anywhere_is_refused_or_another_canonical_one() -> None:
    text = render({"content/a.md": A, "content/b.md": B})
    for cut in range(len(text)):
        assert _refused_or_canonical(text[:cut])
    for at in range(len(text)):
        for bit in range(8):
            flipped = bytearray(text)
            flipped[at] ^= 1 << bit
            assert _refused_or_canonical(bytes(flipped))


def _refused_or_canonical(text: bytes) -> bool:
    try:
        return render(parse(text)) == text
    except HashMismatch:
        return True


def test_SC_103_a_difference_names_what_was_added_modified_deleted_and_renamed() -> None:
    old: dict[str, Digest] = {"keep": A, "change": A, "gone": B, "moved": C}
    new: dict[str, Digest] = {"keep": A, "change": B, "new": A, "moved-here": C}
    assert diff(old, new) == Diff(("new",), ("change",), ("gone",), (("moved", "moved-here"),))
    assert changed_paths(old, new) == ["change", "gone", "moved", "moved-here", "new"]


def test_copies_are_paired_in_order_and_each_old_path_once() -> None:
    assert diff({"a": A, "b": A}, {"x": A, "y": A, "z": A}).renamed == (("a", "x"), ("b", "y"))
    assert diff({"a": A, "b": A}, {"x": A, "y": A, "z": A}).added == ("z",)
    assert diff({"a": A, "b": A}, {"x": A}).deleted == ("b",)


def test_SC_007_equal_manifests_differ_in_nothing() -> None:
    same = diff({"a": A}, {"a": A})
    assert not same
    assert len(same) == 0
    assert changed_paths({"a": A}, {"a": A}) == []


def test_a_copy_of_a_file_that_stays_is_an_addition_not_a_rename() -> None:
    assert diff({"a": A}, {"a": A, "b": A}) == Diff(("b",), (), (), ())


def test_F43_a_rename_prefers_the_same_path_in_another_case_then_the_same_name() -> None:
    old: dict[str, Digest] = dict.fromkeys(["a/one.md", "b/two.md", "c/Three.md"], A)
    new: dict[str, Digest] = dict.fromkeys(["a/nine.md", "c/three.md", "x/one.md"], A)
    assert diff(old, new).renamed == (("a/one.md", "x/one.md"), ("b/two.md", "a/nine.md"), ("c/Three.md", "c/three.md"))
    assert diff(dict(reversed(old.items())), dict(reversed(new.items()))) == diff(old, new)
