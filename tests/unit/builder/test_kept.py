"""Kept copies of built folders: whole or not there, and nobody's but their own."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from panaversity_builder.book import trees
from panaversity_builder.book.trees import copy_tree, tree_digest
from panaversity_builder.kept import KEPT_FOLDERS, KeptFolders, sweep_beside


@pytest.fixture
def built(tmp_path):
    site = tmp_path / "build"
    (site / "a").mkdir(parents=True)
    (site / "index.html").write_text("<p>hello")
    (site / "a" / "page.html").write_text("<p>page")
    (site / "link").symlink_to("index.html")
    return site


@pytest.fixture
def kept(tmp_path):
    return KeptFolders(str(tmp_path / "kept"), copy_tree)


def inodes(folder):
    return {p.stat().st_ino for p in Path(folder).rglob("*") if p.is_file()}


def around(folder):
    return sorted(p.name for p in folder.parent.iterdir())


def test_keeping_answers_the_digest_of_the_built_folder(built, kept, tmp_path):
    assert kept.keep(str(built)) == tree_digest(str(built))
    assert kept.keep(str(built)) == tree_digest(str(built))
    assert [e.name for e in kept.entries()] == [tree_digest(str(built))]


def test_a_kept_folder_comes_back_as_it_was(built, kept):
    os.utime(built / "index.html", ns=(10**18, 10**18 + 7))
    (built / "a" / "page.html").chmod(0o755)
    output = kept.keep(str(built))
    shutil.rmtree(built)
    assert kept.restore(output, str(built)) is None
    assert tree_digest(str(built)) == output
    assert os.readlink(built / "link") == "index.html"
    assert (built / "index.html").stat().st_mtime_ns == 10**18 + 7
    assert (built / "a" / "page.html").stat().st_mode & 0o777 == 0o755


def test_a_copy_shares_no_file_with_the_built_folder_before_and_after_a_restore(built, kept):
    output = kept.keep(str(built))
    assert not inodes(built) & inodes(kept.path(output))
    (built / "index.html").write_text("edited in place")
    kept.restore(output, str(built))
    assert not inodes(built) & inodes(kept.path(output))
    for page in ("index.html", "a/page.html"):
        (built / page).write_text("written through")
    assert tree_digest(kept.path(output)) == output, "whoever writes into the site does not reach the copy"


def test_an_altered_folder_is_replaced_whole_and_only_what_differs_is_written(built, kept):
    output = kept.keep(str(built))
    untouched = (built / "a" / "page.html").stat().st_ino
    (built / "index.html").write_text("edited")
    (built / "stray.html").write_text("stray")
    assert kept.restore(output, str(built)) is None
    assert tree_digest(str(built)) == output
    assert around(built) == ["build", "kept"], "nothing is left beside it"
    assert (built / "a" / "page.html").stat().st_ino == untouched


def test_where_a_file_system_lets_files_share_blocks_the_copy_is_a_clone_that_was_read_all_the_same(
    built, kept, monkeypatch
):
    cloned = []

    def clone(target, _request, source):
        os.pwrite(target, os.pread(source, 1 << 20, 0), 0)
        cloned.append(source)

    monkeypatch.setattr(trees.fcntl, "ioctl", clone)
    assert kept.keep(str(built)) == tree_digest(str(built)) == tree_digest(kept.path(tree_digest(str(built))))
    assert len(cloned) == 2


def test_a_file_that_became_a_link_or_a_folder_is_put_right(built, kept, tmp_path):
    output = kept.keep(str(built))
    (tmp_path / "elsewhere").write_text("<p>hello")
    (built / "index.html").unlink()
    (built / "index.html").symlink_to(tmp_path / "elsewhere")
    (built / "a" / "page.html").unlink()
    (built / "a" / "page.html").mkdir()
    assert kept.restore(output, str(built)) is None
    assert tree_digest(str(built)) == output
    assert not (built / "index.html").is_symlink()


@pytest.mark.parametrize("harm", ["changed", "missing", "added", "link"])
def test_a_damaged_copy_is_not_restored_and_says_so(built, kept, harm):
    output = kept.keep(str(built))
    page = Path(kept.path(output)) / "index.html"
    match harm:
        case "changed":
            page.write_text("<p>hellO")
        case "missing":
            page.unlink()
        case "added":
            page.with_name("more.html").write_text("")
        case "link":
            page.with_name("link").unlink()
            page.with_name("link").symlink_to("/etc/passwd")
    before = tree_digest(str(built))
    assert kept.restore(output, str(built)) == "the kept copy was damaged"
    assert tree_digest(str(built)) == before, "the site is left as it was"
    assert kept.restore(output, str(built)) == "no copy is kept"
    assert around(built) == ["build", "kept"]


def test_what_was_never_kept_cannot_be_restored(built, kept):
    before = tree_digest(str(built))
    assert kept.restore("c" * 64, str(built)) == "no copy is kept"
    assert tree_digest(str(built)) == before


def test_a_site_that_is_a_link_to_elsewhere_is_not_replaced(built, kept, tmp_path):
    output = kept.keep(str(built))
    built.rename(tmp_path / "www")
    built.symlink_to("www")
    (tmp_path / "www" / "index.html").write_text("edited")
    assert kept.restore(output, str(built)) == "a copy is kept but the built folder is a symbolic link"
    assert built.is_symlink()


def test_F11_a_full_disk_while_keeping_leaves_no_copy_and_no_remains(built, kept, monkeypatch, tmp_path):
    def full(_descriptor, _data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(trees.os, "write", full)
        with pytest.raises(OSError, match="No space"):
            kept.keep(str(built))
    assert list((tmp_path / "kept").iterdir()) == []
    assert kept.restore(kept.keep(str(built)), str(built)) is None


def test_F11_a_full_disk_while_restoring_leaves_the_site_as_it_is(built, kept, monkeypatch):
    output = kept.keep(str(built))
    (built / "index.html").write_text("edited")
    before = tree_digest(str(built))

    def full(_descriptor, _data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(trees.os, "write", full)
    assert "cannot be put back" in kept.restore(output, str(built))
    assert tree_digest(str(built)) == before
    assert around(built) == ["build", "kept"]


def test_what_an_interrupted_restore_left_is_swept(built):
    (built.parent / "build.restoring" / "a").mkdir(parents=True)
    (built.parent / "build.replaced").symlink_to("nowhere")
    sweep_beside(str(built))
    assert around(built) == ["build"]


def test_a_name_that_is_no_digest_never_becomes_a_path(built, kept, tmp_path):
    with pytest.raises(ValueError, match="digest"):
        kept.restore("../escape", str(built))
    kept.discard("../build")
    assert built.exists(), "only what lies in the folder of copies can be discarded"


def several(built, kept, number):
    """Keep ``number`` sites; the last first."""
    outputs = []
    for n in range(number):
        (built / "index.html").write_text(f"<p>{n}")
        outputs.insert(0, kept.keep(str(built)))
        os.utime(kept.path(outputs[0]), (n, n))
    return outputs


def test_only_the_last_three_folders_are_kept(built, kept, tmp_path):
    outputs = several(built, kept, 5)
    (tmp_path / "kept" / "left-over.partial").mkdir()
    kept.prune([outputs[0], outputs[0], *outputs])
    assert {p.name for p in Path(tmp_path / "kept").iterdir()} == set(outputs[:KEPT_FOLDERS])


def test_entries_tell_weight_use_and_remains_the_last_used_first(built, kept, tmp_path):
    first, *_ = several(built, kept, 2)
    remains = tmp_path / "kept" / "new.partial"
    remains.mkdir()
    (remains / "half.html").write_text("123")
    os.utime(remains, (0, 0))
    entries = kept.entries()
    assert [(e.used_at, e.whole) for e in entries] == [(1.0, True), (0.0, True), (0.0, False)]
    assert (entries[0].name, entries[0].files, entries[0].size) == (first, 3, len("<p>1<p>page") + len("index.html"))
    assert (entries[-1].files, entries[-1].size) == (1, 3)


def test_a_folder_of_copies_that_is_not_there_is_empty(kept):
    assert kept.entries() == []
    kept.prune([])


def test_a_discarded_copy_loses_its_name_before_its_files(built, kept, monkeypatch, tmp_path):
    output = kept.keep(str(built))

    def killed(_path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("panaversity_builder.kept.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            kept.discard(output)
    assert not kept.has(output)
    kept.prune([output])
    assert list((tmp_path / "kept").iterdir()) == []
