"""The contract of whatever makes images, on every medium: a dictionary, buildah, and docker and podman as pretended.

Buildah is tried for real where that can be, as root; no engine of docker or podman runs in these tests (``fake_docker``
says what that means).
"""

import io
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from panaversity_builder.environment.backend import naming
from panaversity_builder.environment.recipe import BaseImage, Configure, Copy, Run
from panaversity_fs.core.errors import ConfigInvalid, OutputLocked, PhaseFailed, TimedOut
from support.image_lab import Lab, MemoryLab, lab, processes_with

HOSTILE = [
    "a b",
    "it's",
    '"',
    "$HOME",
    "${PATH}",
    "$$",
    "`id`",
    "$(id)",
    "a,b",
    "a=b",
    "é→😀",
    "back\\slash",
    "*",
    "-x",
]


PRETENDED = [pytest.param(name, marks=pytest.mark.full) for name in ("docker", "podman")]
"""A sampled run has ``test_environment_container_cli``: words are judged faster than an engine is pretended."""


@pytest.fixture(scope="module", params=["memory", "buildah", *PRETENDED])
def here(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(request.param, tmp_path_factory.mktemp(request.param)) as made:
        yield made


@pytest.fixture
def tag(here: Lab) -> str:
    return f"{here.prefix}:{uuid.uuid4().hex[:8]}"


def test_it_says_that_it_can_work(here: Lab) -> None:
    here.backend.require()


def test_a_container_never_changes_the_image_it_began_from(here: Lab, tag: str) -> None:
    first = here.container()
    here.said(first, "put", "/opt/new", "made")
    made = first.commit(tag, {})
    again, other = here.backend.follow(here.name(), made), here.container()
    assert here.said(again, "show", "/opt/new") == "made"
    assert other.run(Run(("show", "/opt/new"), "show"), {}, io.BytesIO()) != 0
    again.close()
    other.close()
    assert here.left_behind() == []


def test_the_exit_status_decides_and_the_log_holds_what_a_program_says_and_nothing_else(here: Lab) -> None:
    container, log = here.container(), io.BytesIO()
    assert container.run(Run(("say", "error: fatal"), "t"), {}, log) == 0
    assert container.run(Run(("grumble", "complaint"), "t"), {}, log) == 0
    assert container.run(Run(("fail", "4"), "t"), {}, log) == 4
    assert log.getvalue() == b"error: fatal\ncomplaint\n"
    assert container.run(Run(("no-such-program",), "t"), {}, log) != 0
    container.close()


def test_arguments_arrive_as_they_are_given(here: Lab) -> None:
    container = here.container()
    assert here.said(container, "say", *HOSTILE, "two\nlines", "").split("\n") == [*HOSTILE, "two", "lines", "", ""]
    container.close()


def test_a_program_gets_its_stdin_its_variables_its_user_and_its_folder(here: Lab) -> None:
    container = here.container()
    here.said(container, "take", "/opt/given", stdin=b"\0binary\xff" * 20000)
    assert here.said(container, "me", user="ann", cwd="/opt") == "1500 /opt\n"
    given = {f"GIVEN_{number}": value for number, value in enumerate([*HOSTILE, "", "two\nlines"])}
    assert here.variables(container, *given, env=given) == list(given.values())
    log = io.BytesIO()
    assert container.run(Run(("show", "/opt/given"), "t"), {}, log) == 0
    container.close()
    assert log.getvalue() == b"\0binary\xff" * 20000


def test_a_log_that_is_slow_to_write_gets_the_last_words_too(here: Lab) -> None:
    class Slow(io.BytesIO):
        def write(self, data: Any) -> int:
            time.sleep(0.3)
            return super().write(data)

    container, said, log = here.container(), b"0123456789abcdef" * 10_000, Slow()
    here.said(container, "take", "/opt/given", stdin=said)
    assert container.run(Run(("show", "/opt/given"), "t"), {}, log) == 0
    container.close()
    assert log.getvalue() == said


def test_labels_come_back_exactly_as_they_were_given_and_are_taken_over(here: Lab, tag: str) -> None:
    labels = {
        f"label.{number}": value for number, value in enumerate([*HOSTILE, "", " a ", "two\nlines", '{"a":[1,2]}'])
    }
    parent = here.container().commit(tag, labels)
    here.backend.follow(here.name(), parent).commit(f"{tag}-child", {"label.0": "another", "more": "1"})
    found = {one.tags: one for one in here.backend.images(tag)}
    assert found[(tag,)].labels == labels
    assert found[(tag,)].created.endswith("+00:00")
    assert found[(f"{tag}-child",)].labels == {**labels, "label.0": "another", "more": "1"}


def test_what_an_image_says_of_itself_holds_for_whatever_runs_in_it_later(here: Lab, tag: str) -> None:
    container = here.container()
    told = {f"VALUE_{number}": value for number, value in enumerate([*HOSTILE, "", "two\nlines"])}
    container.configure(Configure(env={**told, "AROUND": "b"}, workdir="/opt"))
    container.configure(Configure(around={"AROUND": ("a:", ":c"), "PATH": ("/opt/bin:", ""), "NEW": ("x", "y")}))
    assert here.said(container, "me") == "0 /opt\n"
    image = container.commit(tag, {})
    again = here.backend.follow(here.name(), image)
    again.configure(Configure(user="ann", command=("say", *HOSTILE, "two\nlines")))
    *values, around, new, path = here.variables(again, *told, "AROUND", "NEW", "PATH")
    assert values == list(told.values())
    assert (around, new) == ("a:b:c", "xy")
    assert path.startswith("/opt/bin:/usr")
    last = again.commit(tag, {})
    told = {"Entrypoint": None, "Cmd": ["say", *HOSTILE, "two\nlines"], "User": "ann"}
    assert here.starts(last) == told
    assert here.starts(here.backend.follow(here.name(), last).commit(f"{tag}-same", {})) == told
    assert here.backend.execute(last, Run(("show", "/opt/absent"), "t"), [], interactive=False) == 1


def test_a_tag_is_taken_from_the_image_that_had_it(here: Lab, tag: str) -> None:
    older = here.container().commit(tag, {"which": "older"})
    here.backend.tag(older, f"{tag}-kept")
    newer = here.container().commit(tag, {"which": "newer"})
    found = {one.id: one.tags for one in here.backend.images(tag)}
    assert found == {older.id: (f"{tag}-kept",), newer.id: (tag,)}
    here.backend.tag(newer, f"{tag}-kept")
    assert {frozenset(one.tags) for one in here.backend.images(tag)} == {frozenset({tag, f"{tag}-kept"})}


def test_an_image_goes_with_its_last_tag_and_not_what_was_made_of_it(here: Lab, tag: str) -> None:
    below = here.container()
    here.said(below, "put", "/opt/below", "there")
    parent = below.commit(f"{tag}-parent", {})
    child = here.backend.follow(here.name(), parent).commit(f"{tag}-child", {})
    here.backend.tag(parent, f"{tag}-second")
    here.backend.untag(f"{tag}-parent")
    assert [one.tags for one in here.backend.images(f"{tag}-second")] == [(f"{tag}-second",)]
    here.backend.untag(f"{tag}-second")
    assert [one.id for one in here.backend.images(tag)] == [child.id]
    again = here.backend.follow(here.name(), child)
    assert here.said(again, "show", "/opt/below") == "there"
    again.close()
    here.backend.untag(f"{tag}-child")
    with pytest.raises(PhaseFailed):
        here.backend.untag(f"{tag}-child")


def test_an_image_that_something_works_in_is_not_taken_away(here: Lab, tag: str) -> None:
    image = here.container().commit(tag, {})
    container = here.backend.follow(here.name(), image)
    with pytest.raises(OutputLocked):
        here.backend.untag(tag)
    container.close()
    here.backend.untag(tag)
    assert here.backend.images(tag) == []


def test_closing_twice_and_after_a_failure_leaves_nothing(here: Lab, tag: str) -> None:
    container = here.container()
    container.run(Run(("fail", "9"), "t"), {}, io.BytesIO())
    container.close()
    container.close()
    committed = here.container()
    committed.commit(tag, {})
    committed.close()
    assert here.left_behind() == []


def test_containers_of_a_killed_process_are_swept_and_no_others(here: Lab) -> None:
    mine = here.container()
    pid = 2**22 + 5  # beyond what Linux gives out
    dead = f"{'-'.join(naming.here())}.{pid}.17.abcdef01"
    left = [here.backend.follow(f"{here.prefix}-{what}.{dead}", here.first()) for what in ("work", "other")]
    assert here.backend.sweep(f"{here.prefix}-work") == 1
    assert len(here.containers()) == 2
    assert here.backend.sweep(here.prefix) == 1
    for container in (mine, *left):
        container.close()
    assert here.left_behind() == []


def test_a_program_that_takes_too_long_ends_with_all_it_started(here: Lab) -> None:
    mark, log, container = uuid.uuid4().hex, io.BytesIO(), here.container()
    started = time.monotonic()
    with pytest.raises(TimedOut):
        container.run(Run(("hang", mark), "hanging", seconds=1.0), {}, log)
    assert time.monotonic() - started < 5
    assert processes_with(mark) == []
    container.close()
    assert log.getvalue() == b"hanging\n"
    assert here.left_behind() == []


def test_a_secret_is_a_file_while_a_program_runs_and_nothing_afterwards(here: Lab, tag: str) -> None:
    value = b"s3cret-" + uuid.uuid4().hex.encode()
    container, log = here.container(), io.BytesIO()
    run = Run(("show", "/run/secrets/TOKEN"), "t", secrets=("TOKEN",), user="ann")
    assert container.run(run, {"TOKEN": value, "OTHER": b"unasked"}, log) == 0
    assert log.getvalue() == b"***"
    assert container.run(Run(("show", "/run/secrets/OTHER"), "t"), {"TOKEN": value}, io.BytesIO()) != 0
    assert container.run(Run(("show", "/run/secrets/TOKEN"), "t"), {"TOKEN": value}, io.BytesIO()) != 0
    with pytest.raises(ConfigInvalid):
        container.run(Run(("say",), "t", secrets=("ABSENT",)), {}, io.BytesIO())
    container.commit(tag, {})
    assert here.left_behind() == []


def test_files_and_folders_are_copied_whatever_their_names(here: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "a [1] *b"
    folder.mkdir()
    names = ["plain", "a b", "it's", "[x]", "*", "$HOME", "é"]
    for name in names:
        (folder / name).write_text(f"in {name}")
    container = here.container()
    container.copy(Copy(str(folder), "/opt/folder"))
    container.copy(Copy(str(folder / "[x]"), "/opt/one"))
    container.copy(Copy(str(folder / "plain"), "/opt/into/"))
    os.symlink(folder, tmp_path / "link")
    container.copy(Copy(str(tmp_path / "link"), "/opt/linked"))
    paths = [*(f"/opt/folder/{name}" for name in names), *(f"/opt/linked/{name}" for name in names)]
    assert here.said(container, "show", *paths, "/opt/one", "/opt/into/plain") == "".join(
        f"in {name}" for name in [*names, *names, "[x]", "plain"]
    )
    with pytest.raises(PhaseFailed):
        container.copy(Copy(str(folder / "absent"), "/opt/absent"))
    container.close()


def test_a_base_that_is_not_there_is_told(here: Lab, tmp_path: Path) -> None:
    for base in (
        BaseImage("rootfs", str(tmp_path / "none"), "0" * 64),
        BaseImage("oci", str(tmp_path / "no"), "0" * 64),
    ):
        with pytest.raises(ConfigInvalid):
            here.backend.resolve(base.kind, base.reference)
        with pytest.raises(ConfigInvalid):
            here.backend.begin(here.name(), base)
    assert here.left_behind() == []


def test_a_base_or_a_copy_that_takes_too_long_is_given_up(here: Lab, tmp_path: Path) -> None:
    if isinstance(here, MemoryLab):
        return  # nothing takes time in a dictionary
    with pytest.raises(TimedOut):
        here.backend.begin(here.name(), here.base, 0.001)
    (tmp_path / "file").write_text("1")
    container = here.container()
    with pytest.raises(TimedOut):
        container.copy(Copy(str(tmp_path / "file"), "/opt/file", seconds=0.001))
    container.close()
    assert here.left_behind() == []


def test_the_identity_of_a_root_file_system_is_all_it_holds(here: Lab, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "file").write_text("1")
    os.symlink("file", tmp_path / "etc" / "link")
    seen = [here.backend.resolve("rootfs", str(tmp_path))]
    (tmp_path / "etc" / "file").chmod(0o4755)
    seen.append(here.backend.resolve("rootfs", str(tmp_path)))
    (tmp_path / "etc" / "file").write_text("2")
    seen.append(here.backend.resolve("rootfs", str(tmp_path)))
    (tmp_path / "etc" / "link").unlink()
    os.symlink("other", tmp_path / "etc" / "link")
    seen.append(here.backend.resolve("rootfs", str(tmp_path)))
    (tmp_path / "etc" / "empty").mkdir()
    seen.append(here.backend.resolve("rootfs", str(tmp_path)))
    assert len(set(seen)) == 5
    os.utime(tmp_path / "etc" / "file", (1, 1))
    assert here.backend.resolve("rootfs", str(tmp_path)) == seen[-1]


def test_a_program_runs_in_a_throw_away_container(here: Lab) -> None:
    status = here.backend.execute(here.first(), Run(("fail", "6"), "t"), [], interactive=False)
    assert status == 6
    assert here.left_behind() == []


def test_an_export_is_whole_or_not_there(here: Lab, tmp_path: Path) -> None:
    file = tmp_path / "out:1.tar"
    here.backend.export(here.first(), str(file))
    assert file.stat().st_size > 0
    with pytest.raises((PhaseFailed, ConfigInvalid, OSError)):
        here.backend.export(here.first(), str(tmp_path / "none" / "out.tar"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out:1.tar"]
