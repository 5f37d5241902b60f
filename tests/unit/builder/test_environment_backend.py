"""The pieces backends share: masking, running programs to their end, names that tell who works, staging, chatter."""

import errno
import io
import os
import selectors
import shutil
import signal
import struct
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_builder.environment.backend import exec as programs
from panaversity_builder.environment.backend import naming, relayed
from panaversity_builder.environment.backend.buildah_container import run_words
from panaversity_builder.environment.backend.chatter import Chatter
from panaversity_builder.environment.backend.choose import choose_backend, places
from panaversity_builder.environment.backend.digests import oci_digest, rootfs_digest
from panaversity_builder.environment.backend.image_env import merged, resolved
from panaversity_builder.environment.backend.masking import Masker, masked
from panaversity_builder.environment.backend.naming import here, is_abandoned, working_name
from panaversity_builder.environment.backend.scratch import Scratch, sweep_scratch
from panaversity_builder.environment.backend.secret_files import SecretFolder, memory_folder, sweep_secret_folders
from panaversity_builder.environment.backend.staging import below, staged
from panaversity_builder.environment.backend.tool import Tool
from panaversity_builder.environment.recipe import Configure, Copy, Run
from panaversity_builder.environment.with_variables import with_variables
from panaversity_fs.core.errors import ConfigInvalid, NoSpace, PhaseFailed
from support.image_lab import processes_with

DEAD = f"habitat.{'-'.join(here())}.4194309.17.abcdef01"
"""A name whose process cannot be: its number is beyond what Linux gives out."""

pieces = st.lists(st.binary(max_size=6) | st.sampled_from([b"sec", b"ret", b"secret", b"s", b"pass\nword", b"word"]))


@given(pieces, st.sampled_from([[b"secret"], [b"secret", b"sec"], [b"pass\nword\n"], [b"aa", b"aaa"], []]))
def test_a_mask_does_not_depend_on_where_a_stream_is_cut(parts: list[bytes], secrets: list[bytes]) -> None:
    masker = Masker(secrets)
    shown = b"".join(map(masker.feed, parts)) + masker.rest()
    assert shown == masked(b"".join(parts), secrets)


unstarred = st.binary(max_size=30).map(lambda data: data.replace(b"*", b"-"))


@given(unstarred, unstarred.filter(bytes.strip), unstarred)
def test_no_secret_passes_a_mask(before: bytes, secret: bytes, behind: bytes) -> None:
    shown = masked(before + secret + behind, [secret])
    assert all(secret not in piece and secret.strip() not in piece for piece in shown.split(b"***"))
    assert masked(before, []) == before


def test_a_secret_is_hidden_without_the_line_end_it_was_saved_with_and_line_by_line() -> None:
    assert masked(b"token=abcdef!", [b"abcdef\n"]) == b"token=***!"
    assert masked(b"-BEGIN\nline-one\n}", [b"line-one\nline-two\n}\n"]) == b"-BEGIN\n***\n}"


@given(st.lists(st.binary(max_size=30), max_size=6), st.booleans())
def test_chatter_goes_and_everything_else_stays(parts: list[bytes], failed: bool) -> None:
    said = b"".join(parts)
    talk = (
        b"subprocess exited with status 3\nsubprocess exited with status 3\nError: exit status 3\n" if failed else b""
    )
    chatter = Chatter()
    shown = b"".join(chatter.feed(part) for part in [*parts, talk[:7], talk[7:]]) + chatter.rest()
    assert shown == said


def test_words_that_only_look_like_chatter_are_shown() -> None:
    chatter = Chatter()
    said = b"subprocess exited with status 1\n" + b"x" * 300 + b"\nsubprocess exited"
    assert chatter.feed(said) + chatter.rest() == said


def test_a_program_answers_with_its_status_and_both_streams() -> None:
    ended = programs.call(["sh", "-c", "cat; echo err >&2; exit 5"], stdin=b"in" * 100_000)
    assert (ended.status, ended.out, ended.errors) == (5, b"in" * 100_000, b"err\n")
    assert programs.call(["sh", "-c", "kill -9 $$"]).status == 137
    assert programs.call(["true"], stdin=b"nobody reads this" * 100_000).status == 0


def test_a_program_out_of_time_is_gone_with_its_group() -> None:
    mark = uuid.uuid4().hex
    with pytest.raises(programs.Overtime):
        programs.call(["sh", "-c", "trap '' TERM; sleep 60 & sleep 60", mark], seconds=0.3)
    assert processes_with(mark) == []


def test_a_program_that_leaves_its_stream_to_another_is_not_waited_for() -> None:
    started = time.monotonic()
    assert programs.call(["sh", "-c", "setsid sleep 3 & echo done"]).out == b"done\n"
    assert time.monotonic() - started < 2


def test_the_last_words_of_a_program_that_ends_between_two_looks_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(selectors.DefaultSelector):
        first = True

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if self.first:  # as if nothing had come before the program had written and was gone
                self.first = False
                time.sleep(0.3)
                return []
            return super().select(timeout)

    monkeypatch.setattr(selectors, "DefaultSelector", Late)
    assert programs.call(["sh", "-c", "echo last; echo words >&2"]) == programs.Ended(0, b"last\n", b"words\n")


def test_a_relayed_program_is_heard_as_it_speaks_and_to_its_end() -> None:
    heard: list[tuple[float, bytes]] = []
    status = relayed.run(
        ["sh", "-c", "cat; echo one >&2; sleep 0.5; echo two; exit 5"],
        lambda piece: heard.append((time.monotonic(), piece)),
        stdin=b"in" * 100_000,
    )
    assert (status, b"".join(piece for _, piece in heard)) == (5, b"in" * 100_000 + b"one\ntwo\n")
    assert heard[-1][0] - heard[0][0] > 0.2, "not all of it at the end"
    assert relayed.run(["sh", "-c", "kill -9 $$"], heard.append) == 137


def test_a_relayed_program_out_of_time_is_gone_with_its_group_and_its_last_words_are_heard() -> None:
    mark, heard = uuid.uuid4().hex, bytearray()
    with pytest.raises(programs.Overtime):
        relayed.run(["sh", "-c", "trap '' TERM; echo here; sleep 60 & sleep 60", mark], heard.extend, seconds=0.5)
    assert (processes_with(mark), bytes(heard)) == ([], b"here\n")


def test_a_relayed_program_that_never_stops_talking_is_out_of_time_all_the_same() -> None:
    with pytest.raises(programs.Overtime):
        relayed.run(["yes"], lambda _: time.sleep(0.02), seconds=0.3)


ATTACH = """
import sys
from panaversity_builder.environment.backend import relayed
def told(piece):
    sys.stderr.write(f"<{piece.decode()}>")
sys.exit(relayed.attach(sys.argv[1:], told if sys.argv[1] == "env" else None))
"""


def test_a_slow_reader_of_an_attached_program_does_not_hold_it_up_and_gets_all() -> None:
    said = subprocess.Popen(
        [sys.executable, "-c", ATTACH, "sh", "-c", "cat; head -c 300000 /dev/zero; echo done >&2; exit 3"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with said:
        assert said.stdin
        assert said.stdout
        assert said.stderr
        said.stdin.write(b"given")
        said.stdin.close()
        assert said.stderr.readline() == b"done\n", "while nobody has read what it wrote"
        assert said.stdout.read() == b"given" + bytes(300_000)
    assert said.returncode == 3


def test_an_attached_program_ends_when_its_reader_goes_away() -> None:
    with subprocess.Popen([sys.executable, "-c", ATTACH, "yes"], stdout=subprocess.PIPE) as said:
        assert said.stdout
        assert said.stdout.readline() == b"y\n"
        said.stdout.close()
        assert said.wait(30) == 141


def test_what_waits_for_a_reader_on_the_disk_has_an_end() -> None:
    code = f"from panaversity_builder.environment.backend import relayed\nrelayed._MOST = 1_000_000\n{ATTACH}"
    with subprocess.Popen([sys.executable, "-c", code, "yes"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as said:
        assert said.stderr
        assert b"standard output: more than 1000000 bytes were written into a pipe" in said.stderr.read()


def test_an_attached_program_has_our_own_file_and_its_errors_go_where_they_are_asked(tmp_path: Path) -> None:
    with open(tmp_path / "out", "wb") as out:
        words = [sys.executable, "-c", ATTACH, "env", "sh", "-c", "readlink /proc/self/fd/1; echo wrong >&2"]
        ended = subprocess.run(words, stdout=out, stderr=subprocess.PIPE, check=True)
    assert (tmp_path / "out").read_text() == f"{tmp_path}/out\n"
    assert ended.stderr == b"<wrong\n>"


def test_a_program_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="PANAVERSITY_ENV_BACKEND"):
        Tool("nothing-of-this-name", ("nothing-of-this-name",)).call("images")


def test_a_full_disk_is_told_as_such_and_any_other_refusal_with_its_last_words() -> None:
    with pytest.raises(NoSpace) as full:
        Tool("sh", ("sh", "-c", "echo 'write /x: no space left on device' >&2; exit 125")).call("commit")
    assert full.value.exit_status == 4
    with pytest.raises(PhaseFailed, match=r"sh commit ended with status 3 \(what happened\)"):
        Tool("sh", ("sh", "-c", "echo one >&2; echo Error: what happened >&2; exit 3")).call("--quiet", "commit")


def test_a_log_on_a_full_disk_is_told_as_such() -> None:
    class Full(io.BytesIO):
        def write(self, _data: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def flush(self) -> None:
            pass

    tool, log = Tool("sh", ("sh", "-c", "echo said; sleep 60")), Full()
    with pytest.raises(NoSpace, match="No space left"):
        tool.run((), b"", None, {}, log)


def test_a_name_tells_whether_somebody_works_there() -> None:
    assert not is_abandoned(working_name("habitat"))
    assert is_abandoned(DEAD)
    assert is_abandoned(f"{DEAD}-told"), "docker and podman get a second container to say what the image says"
    place = "-".join(here())
    assert is_abandoned(f"habitat.{place}.{os.getpid()}.1.abcdef01"), "the number was given out again"
    assert not any(map(is_abandoned, ("habitat-docs", "working-container")))
    child = subprocess.Popen([sys.executable, "-c", "print()"], stdout=subprocess.DEVNULL)
    child.send_signal(signal.SIGKILL)
    time.sleep(0.05)
    assert is_abandoned(f"x.{place}.{child.pid}.1.ab"), "dead, though nobody has heard of it yet"
    child.wait()


def test_what_others_chose_who_do_not_see_our_processes_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, other = DEAD.replace("-".join(here()), "111111-222222-333333"), "abcdef"

    def judged_at(machine: str, start: str, numbers: str) -> bool:
        monkeypatch.setattr(naming, "here", lambda: (machine, start, numbers))
        return is_abandoned(ours)

    assert judged_at("111111", "222222", "333333")
    assert not judged_at("111111", "222222", other), "another container of this machine"
    assert not judged_at(other, other, other), "another machine"
    assert judged_at("111111", other, other), "this machine, before it was started again"
    ours = ours.replace("111111", naming.NOBODY)
    assert not judged_at(naming.NOBODY, other, other), "machines that have no name are not one"


@pytest.mark.skipif(not shutil.which("unshare") or os.geteuid() != 0, reason="needs unshare, as root")
def test_a_process_that_counts_numbers_apart_from_us_is_told_from_us() -> None:
    told = "from panaversity_builder.environment.backend.naming import here; print(*here())"
    apart = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", told],
        capture_output=True,
        check=True,
        text=True,
    )
    machine, start, numbers = apart.stdout.split()
    assert ((machine, start) == here()[:2], numbers == here()[2]) == (True, False)


def test_secrets_lie_where_nobody_else_looks_and_only_while_needed() -> None:
    folder = SecretFolder()
    try:
        with folder.filled(["A"], {"A": b"1", "B": b"2"}):
            assert os.listdir(folder.path) == ["A"]
            assert os.stat(os.path.dirname(folder.path)).st_mode & 0o777 == 0o700
        assert os.listdir(folder.path) == []
        for wrong in ("../A", "", ".hidden/x", "a/b"):
            with pytest.raises(ConfigInvalid), folder.filled([wrong], {wrong: b"1"}):
                pass
    finally:
        folder.remove()
        folder.remove()
    assert not os.path.exists(folder.path)


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    left = Path(memory_folder(), f"panaversity-secrets{DEAD.removeprefix('habitat')}")
    (left / "secrets").mkdir(parents=True)
    mine = SecretFolder()
    sweep_secret_folders()
    assert not left.exists()
    assert os.path.isdir(mine.path)
    mine.remove()
    (tmp_path / DEAD).mkdir()
    scratch = Scratch(str(tmp_path), working_name("habitat"))
    sweep_scratch(str(tmp_path))
    assert os.listdir(tmp_path) == [scratch.name]
    scratch.remove()
    sweep_scratch(str(tmp_path / "never made"))


def test_a_scratch_folder_that_cannot_be_made_is_a_setting_to_correct(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigInvalid, match="PANAVERSITY_ENV_STORAGE"):
        Scratch(str(tmp_path / "file"), "x")


def test_a_mode_is_for_files_and_leaves_folders_and_links_alone(tmp_path: Path) -> None:
    source, scratch = tmp_path / "source", tmp_path / "scratch"
    (source / "inner").mkdir(parents=True)
    scratch.mkdir()
    (source / "inner" / "file").write_text("1")
    os.symlink("inner", source / "link")
    made = staged(Copy(str(source), "/to", mode=0o640), str(scratch))
    assert made.mode is None
    assert os.stat(Path(made.source, "inner", "file")).st_mode & 0o7777 == 0o640
    assert os.stat(Path(made.source, "inner")).st_mode & 0o111
    assert os.readlink(Path(made.source, "link")) == "inner"
    assert os.stat(source / "inner" / "file").st_mode & 0o7777 != 0o640
    one = staged(Copy(str(source / "inner" / "file"), "/to/", mode=0o4755), str(scratch))
    assert (os.stat(one.source).st_mode & 0o7777, one.target) == (0o4755, "/to/file")
    assert sorted(below(str(source), "/to")) == ["/to/inner", "/to/inner/file", "/to/link"]


def test_a_path_that_would_mean_something_else_is_refused_before_anything_runs() -> None:
    with pytest.raises(ConfigInvalid, match="separator"):
        run_words("name", Run(("true",), "t"), [("/a:b", "/c", True)], None)


def test_variables_around_older_ones() -> None:
    told = Configure(env={"A": "$B"}, around={"PATH": ("/x:", ":/y"), "NEW": ("1", "2")})
    assert resolved(told, ["PATH=/bin=1"]) == {"A": "$B", "PATH": "/x:/bin=1:/y", "NEW": "12"}
    both = merged(Configure(env={"PATH": "/bin"}, user="a", command=("x",)), Configure(user="b"))
    assert (both.env, both.user, both.command) == ({"PATH": "/bin"}, "b", ("x",))


def test_variables_reach_a_program_in_a_file_and_not_on_its_command_line(tmp_path: Path) -> None:
    values = {"TOKEN": "it's $HOME\n`id`", "OTHER": ""}
    with with_variables(Run(("printenv", "TOKEN"), "t"), [], values) as (run, volumes):
        (volume,) = volumes
        assert "it's" not in " ".join(run.argv)
        words = [word.replace("/run/panaversity", volume[0]) for word in run.argv]
        assert subprocess.run(words, capture_output=True, check=True).stdout.decode() == values["TOKEN"] + "\n"
    assert not os.path.exists(volume[0])
    with with_variables(Run(("x",), "t"), [], {}) as (same, none):
        assert (same.argv, none) == (("x",), [])


def test_the_program_that_makes_images_can_be_chosen_and_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("auto", "docker", "podman", "buildah"):
        with pytest.raises(ConfigInvalid) as refused:
            choose_backend(name, places(str(tmp_path)), "env build")
        assert refused.value.exit_status == 15


def test_images_are_kept_in_the_users_folder_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert places(None).images == "/data/panaversity/environments/containers"
    assert places("/there").locks == "/there/locks"
    assert places("system").images is None
    assert places("system").work == places(None).work


@pytest.mark.skipif(sys.platform != "linux", reason="extended attributes are Linux's here")
def test_a_root_file_system_is_known_by_what_is_copied_beside_contents(tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.write_text("1")
    plain = rootfs_digest(str(tmp_path))
    try:
        os.setxattr(file, "user.one", b"1")
    except OSError:
        pytest.skip("this file system keeps no attributes")
    seen = [plain, rootfs_digest(str(tmp_path))]
    os.setxattr(file, "user.one", b"2")
    seen.append(rootfs_digest(str(tmp_path)))
    if os.geteuid() == 0:
        capability = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)  # may bind ports below 1024
        os.setxattr(file, "security.capability", capability)
        seen.append(rootfs_digest(str(tmp_path)))
        os.removexattr(file, "security.capability")
    assert len(set(seen)) == len(seen)
    os.removexattr(file, "user.one")
    assert rootfs_digest(str(tmp_path)) == plain


def test_an_oci_layout_is_known_by_its_one_manifest(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text('{"manifests": [{"digest": "sha256:%s"}]}' % ("a" * 64))
    assert oci_digest(str(tmp_path)) == "a" * 64
    for wrong in ("", "{}", "[]", '{"manifests": []}', '{"manifests": [{"digest": "md5:1"}]}', "{" * 9000):
        (tmp_path / "index.json").write_text(wrong)
        with pytest.raises(ConfigInvalid):
            oci_digest(str(tmp_path))
    with pytest.raises(ConfigInvalid):
        oci_digest(str(tmp_path / "index.json"))
