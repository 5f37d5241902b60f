"""Branches are resolved to commits first, and one commit is brought into a folder of this machine (phase 7)."""

import os
import stat
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from panaversity_builder.environment import git as program
from panaversity_builder.environment.checkout import checked_out
from panaversity_builder.environment.git import GitFailed, resolve
from panaversity_builder.environment.recipe import Clone, Copy
from panaversity_fs.core.errors import PhaseFailed
from support.environments import committed, git, repository

ENVIRON = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    repository(tmp_path / "notes", {"README": "one\n", "bin/run": "#!/bin/sh\n"})
    return tmp_path / "notes"


def test_a_branch_a_tag_and_nothing_are_resolved_to_commits(notes: Path) -> None:
    first = git(notes, "rev-parse", "HEAD")
    git(notes, "tag", "-a", "v1", "-m", "one")
    git(notes, "branch", "both")
    second = committed(notes, {"README": "two\n"})
    git(notes, "tag", "both")
    assert resolve(str(notes), None, ENVIRON) == (second, "refs/heads/main")
    assert resolve(str(notes), "main", ENVIRON) == (second, "refs/heads/main")
    assert resolve(str(notes), "v1", ENVIRON) == (first, "refs/tags/v1")  # of the commit, not of the tag
    assert resolve(str(notes), "both", ENVIRON) == (first, "refs/heads/both")
    assert resolve("nowhere", first, ENVIRON) == (first, None)  # nobody is asked for what is known


def test_a_name_is_not_a_pattern_and_not_the_end_of_another(notes: Path) -> None:
    git(notes, "branch", "feature/main2")
    for name in ("main2", "m*n", "heads/main"):
        with pytest.raises(GitFailed, match="it has no branch or tag"):
            resolve(str(notes), name, ENVIRON)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("/nowhere/at/all", "'/nowhere/at/all' does not appear to be a git repository"),
        ("https://127.0.0.1:1/x", "unable to access"),
        ("ext::sh -c id", "transport 'ext' not allowed"),
        ("--upload-pack=id", "strange pathname '--upload-pack=id' blocked"),
    ],
)
def test_what_cannot_be_asked_is_told_with_gits_own_words(url: str, told: str) -> None:
    with pytest.raises(GitFailed) as caught:
        resolve(url, "main", ENVIRON)
    assert told in str(caught.value)


def test_an_empty_repository_has_no_commit(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "--quiet")
    with pytest.raises(GitFailed, match="it is empty"):
        resolve(str(tmp_path / "empty"), None, ENVIRON)


def test_a_repository_that_does_not_answer_is_given_up_and_its_processes_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, pid = tmp_path / "ssh", tmp_path / "pid"
    slow.write_text(f"#!/bin/sh\necho $$ > {pid}.new; mv {pid}.new {pid}\nexec sleep 60\n")
    slow.chmod(0o755)
    for seconds in (0.5, 2.0, 8.0, 32.0):  # until git got as far as that on this machine
        monkeypatch.setattr(program, "RESOLVE_SECONDS", seconds)
        with pytest.raises(GitFailed, match="there was no answer in time"):
            resolve("git@example.org:notes", "main", {**ENVIRON, "GIT_SSH": str(slow)})
        if pid.exists():
            break
    end = time.monotonic() + 5
    while _alive(int(pid.read_text())) and time.monotonic() < end:
        time.sleep(0.01)
    assert not _alive(int(pid.read_text()))


def _alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_nobody_is_asked_for_a_password(notes: Path) -> None:
    """Git gets no terminal and no prompt, and the settings of the repository a hook runs in are not ours."""
    inside = {**ENVIRON, "GIT_DIR": "/nowhere", "GIT_WORK_TREE": "/nowhere", "GIT_ASKPASS": "/nowhere"}
    assert resolve(str(notes), "main", inside)[1] == "refs/heads/main"


def clone(notes: Path, commit: str, ref: str | None = "refs/heads/main") -> Clone:
    return Clone(str(notes), commit, "/notes", ref, "ann")


def test_a_commit_is_brought_into_a_folder_that_is_a_working_repository(notes: Path, tmp_path: Path) -> None:
    commit = git(notes, "rev-parse", "HEAD")
    os.chmod(notes / "bin/run", 0o755)
    commit = committed(notes, {})
    copy = checked_out(clone(notes, commit), str(tmp_path / "cache"), ENVIRON)
    assert (copy.target, copy.owner, copy.mode) == ("/notes", "ann", None)
    made = Path(copy.source)
    assert (made / "README").read_text() == "one\n"
    assert git(made, "status", "--porcelain", "--branch") == "## main"
    assert git(made, "rev-parse", "HEAD") == commit
    assert git(made, "rev-list", "--count", "HEAD") == "1"  # without history
    assert git(made, "remote") == ""  # a path of this machine means nothing in the image
    assert str(notes) not in (made / ".git" / "config").read_text()


def test_modes_are_gits_whatever_this_users_umask_is(notes: Path, tmp_path: Path) -> None:
    os.chmod(notes / "bin/run", 0o755)
    commit = committed(notes, {})
    before = os.umask(0o077)
    try:
        made = Path(checked_out(clone(notes, commit), str(tmp_path / "cache"), ENVIRON).source)
    finally:
        os.umask(before)
    modes = {name: stat.S_IMODE((made / name).stat().st_mode) for name in (".", "bin", "README", "bin/run", ".git")}
    assert modes == {".": 0o755, "bin": 0o755, "README": 0o644, "bin/run": 0o755, ".git": 0o755}


def test_a_commit_is_fetched_once(notes: Path, tmp_path: Path) -> None:
    commit = git(notes, "rev-parse", "HEAD")
    one = checked_out(clone(notes, commit), str(tmp_path / "cache"), ENVIRON)
    notes.rename(tmp_path / "gone")
    assert checked_out(clone(notes, commit), str(tmp_path / "cache"), ENVIRON) == one


def test_a_commit_the_branch_has_left_behind_is_fetched_all_the_same(notes: Path, tmp_path: Path) -> None:
    old = git(notes, "rev-parse", "HEAD")
    committed(notes, {"README": "two\n"})
    made = Path(checked_out(clone(notes, old), str(tmp_path / "cache"), ENVIRON).source)
    assert (made / "README").read_text() == "one\n"


def test_a_server_that_gives_no_single_commits_is_asked_for_the_branch(
    notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = git(notes, "rev-parse", "HEAD")
    committed(notes, {"README": "two\n"})
    asked: list[str] = []

    def refusing(arguments: list[str], *rest: object) -> object:
        if "fetch" in arguments:
            asked.append(arguments[-1])
            if arguments[-1] == old:
                raise GitFailed("Server does not allow request for unadvertised object")
        return real(arguments, *rest)  # type: ignore[arg-type]

    real = program._git
    monkeypatch.setattr(program, "_git", refusing)
    made = Path(checked_out(clone(notes, old), str(tmp_path / "cache"), ENVIRON).source)
    assert asked == [old, "refs/heads/main", "refs/heads/main"]
    assert (made / "README").read_text() == "one\n"


def test_what_cannot_be_fetched_fails_the_phase_and_leaves_nothing(notes: Path, tmp_path: Path) -> None:
    with pytest.raises(PhaseFailed, match=r"^env build: /notes: .*/notes cannot be fetched \(") as caught:
        checked_out(clone(notes, "0" * 40), str(tmp_path / "cache"), ENVIRON)
    assert "phase" not in caught.value.details, "who runs the phase adds it, with the log"
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_fetch_that_takes_too_long_is_given_up(notes: Path, tmp_path: Path) -> None:
    late = replace(clone(notes, git(notes, "rev-parse", "HEAD")), seconds=0.0)
    with pytest.raises(PhaseFailed, match="there was no answer in time"):
        checked_out(late, str(tmp_path / "cache"), ENVIRON)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_full_disk_fails_the_phase(notes: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file in the folder's place")
    with pytest.raises(PhaseFailed, match="cannot be fetched"):
        checked_out(clone(notes, git(notes, "rev-parse", "HEAD")), str(tmp_path / "cache"), ENVIRON)


def test_nothing_of_the_repository_or_the_user_runs_here(notes: Path, tmp_path: Path) -> None:
    """Hooks from the user's templates and settings stay out, and line ends are as they were committed."""
    (notes / "lines").write_bytes(b"a\nb\n")
    commit = committed(notes, {})
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "post-checkout").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (hooks / "post-checkout").chmod(0o755)
    settings = tmp_path / "gitconfig"
    settings.write_text(f"[core]\n hooksPath = {hooks}\n autocrlf = true\n[init]\n templateDir = {tmp_path}\n")
    environ = {**ENVIRON, "GIT_CONFIG_GLOBAL": str(settings)}
    made = Path(checked_out(clone(notes, commit), str(tmp_path / "cache"), environ).source)
    assert (made / "lines").read_bytes() == b"a\nb\n"
    assert not (tmp_path / "ran").exists()
    assert not list((made / ".git").glob("hooks/*"))


def test_no_filter_changes_what_was_committed(notes: Path, tmp_path: Path) -> None:
    """Neither one of the user's settings (as git-lfs is) nor what the repository's attributes ask for."""
    (notes / "large").write_bytes(b"a pointer\n$Id$\n")
    commit = committed(notes, {".gitattributes": "large filter=shout text eol=crlf ident\n"})
    settings = tmp_path / "gitconfig"
    ran = tmp_path / "ran"
    settings.write_text(f'[filter "shout"]\n smudge = touch {ran}; tr a-z A-Z\n clean = cat\n required = true\n')
    environ = {**ENVIRON, "GIT_CONFIG_GLOBAL": str(settings)}
    made = Path(checked_out(clone(notes, commit), str(tmp_path / "cache"), environ).source)
    assert (made / "large").read_bytes() == b"a pointer\n$Id$\n"
    assert not ran.exists()
    assert git(made, "status", "--porcelain") == ""
    assert git(made, "check-attr", "filter", "large") == "large: filter: shout", "its own attributes count again"


def test_an_address_is_kept_as_origin(notes: Path, tmp_path: Path) -> None:
    commit = git(notes, "rev-parse", "HEAD")
    copy = checked_out(Clone(f"file://{notes}", commit, "/n", "refs/heads/main"), str(tmp_path / "cache"), ENVIRON)
    assert isinstance(copy, Copy)
    assert git(Path(copy.source), "remote", "get-url", "origin") == f"file://{notes}"


def test_git_that_is_not_there_is_told(notes: Path, tmp_path: Path) -> None:
    with pytest.raises(GitFailed, match="git cannot be started"):
        resolve(str(notes), "main", {"PATH": str(tmp_path)})


def test_a_submodule_is_left_empty(notes: Path, tmp_path: Path) -> None:
    repository(tmp_path / "inner", {"x": "x"})
    add = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(tmp_path / "inner"), "inner"]
    try:
        git(notes, *add)
    except subprocess.CalledProcessError:
        pytest.skip("this git adds no submodule of this machine")
    commit = committed(notes, {})
    made = Path(checked_out(clone(notes, commit), str(tmp_path / "cache"), ENVIRON).source)
    assert list((made / "inner").iterdir()) == []
