"""The exact words docker and podman are called with, as a pretended engine writes them down."""

import io
import itertools
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from panaversity_builder.environment.backend.cli_container import NO_COMMAND, SLEEP
from panaversity_builder.environment.backend.naming import working_name
from panaversity_builder.environment.recipe import BaseImage, Configure, Copy, Run
from panaversity_fs.core.errors import ConfigInvalid, PhaseFailed
from support.image_lab import CliLab, lab


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CliLab]:
    with lab("docker", tmp_path_factory.mktemp("docker")) as made:
        assert isinstance(made, CliLab)
        yield made


def test_the_whole_way_of_a_phase(desk: CliLab, tmp_path: Path) -> None:
    (tmp_path / "note").write_text("1")
    first, name = desk.first(), working_name(f"{desk.prefix}-way")
    begun = len(desk.calls())
    container = desk.backend.follow(name, first)
    container.configure(Configure(env={"A": 'x "y" $z'}, workdir="/opt", user="ann", command=("say", "a b")))
    container.run(Run(("say", "a b"), "t", user="ann", cwd="/tmp", env={"B": "1"}, stdin=b"in"), {}, io.BytesIO())
    container.copy(Copy(str(tmp_path / "note"), "/opt/note", owner="ann"))
    image = container.commit(f"{desk.prefix}:2", {"label": "a=b c"})
    calls = desk.calls()[begun:]
    secrets = calls[1].pop(5)
    assert secrets.endswith("/secrets:/run/secrets:ro")
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert calls == [
        ["image", "inspect", first.id],
        ["run", "--detach", "--name", name, "--volume", "--entrypoint", "/bin/sh", first.id, "-c", SLEEP],
        ["exec", "--interactive", "--user", "ann", "--workdir", "/tmp", "--env", f"PATH={path}",
         "--env", 'A=x "y" $z', "--env", "B=1", name, "say", "a b"],
        ["exec", "--user", "0:0", name, "mkdir", "-p", "--", "/opt"],
        ["cp", str(tmp_path / "note"), f"{name}:/opt/note"],
        ["exec", "--user", "0:0", "--interactive", name, "xargs", "-0", "chown", "-h", "ann", "--"],
        ["kill", name],
        ["commit", name],
        ["create", "--name", f"{name}-told", "--entrypoint", "", "--env", f"PATH={path}", "--env", 'A=x "y" $z',
         "--label", "label=a=b c", "--workdir", "/opt", "--user", "ann", calls[8][-3], "say", "a b"],
        ["commit", f"{name}-told", f"{desk.prefix}:2"],
        ["rm", "--force", "--volumes", f"{name}-told"],
        ["rm", "--force", "--volumes", name],
    ]  # fmt: skip
    assert image.tags == (f"{desk.prefix}:2",)
    assert desk.starts(image) == {"Entrypoint": None, "Cmd": ["say", "a b"], "User": "ann"}
    assert desk.starts(first) == {"Entrypoint": None, "Cmd": list(NO_COMMAND), "User": None}


ENTRY, START = ["/entry", "a b"], ["start", "$x"]
SAMPLED = [("docker", ENTRY, None), ("podman", None, None)]
ALL = itertools.product(("docker", "podman"), (None, ENTRY), (None, START))
STARTS = [*SAMPLED, *(pytest.param(*one, marks=pytest.mark.full) for one in ALL if one not in SAMPLED)]


@pytest.mark.parametrize(("program", "entrypoint", "command"), STARTS)
def test_an_image_starts_as_its_parent_unless_it_says_otherwise(
    program: str, entrypoint: list[str] | None, command: list[str] | None, tmp_path: Path
) -> None:
    with lab(program, tmp_path) as desk:
        assert isinstance(desk, CliLab)
        parent = desk.backend.begin(desk.name(), desk.base).commit(f"{desk.prefix}:1", {})
        desk.say(parent, {"Entrypoint": entrypoint, "Cmd": command})
        same = desk.backend.follow(desk.name(), parent).commit(f"{desk.prefix}:2", {})
        nothing = None if entrypoint else list(NO_COMMAND)
        assert desk.starts(same) == {"Entrypoint": entrypoint, "Cmd": command or nothing, "User": None}
        container = desk.backend.follow(desk.name(), parent)
        container.configure(Configure(command=("sh", "-l")))
        other = container.commit(f"{desk.prefix}:3", {})
        assert desk.starts(other) == {"Entrypoint": entrypoint, "Cmd": ["sh", "-l"], "User": None}


@pytest.mark.parametrize("program", ["podman", pytest.param("docker", marks=pytest.mark.full)])
def test_a_link_and_a_path_that_could_be_a_pattern_are_copied_as_what_they_are(program: str, tmp_path: Path) -> None:
    source = tmp_path / "a [1]*"
    source.mkdir()
    (source / "file").write_text("1")
    (tmp_path / "link").symlink_to(source / "file")
    with lab(program, tmp_path / "lab") as desk:
        container = desk.container()
        for path, target in ((source, "/opt/folder"), (source / "file", "/opt/one"), (tmp_path / "link", "/opt/two")):
            container.copy(Copy(str(path), target))
        assert desk.said(container, "show", "/opt/folder/file", "/opt/one", "/opt/two") == "111"
        container.close()


def test_a_throw_away_container_gets_its_volumes_and_its_own_start(desk: CliLab) -> None:
    first, begun = desk.first(), len(desk.calls())
    run = Run(("fail", "3"), "t", user="1:2", cwd="/x", env={"A": "b"})
    assert desk.backend.execute(first, run, [("/here", "/there", True), ("/a", "/b", False)], True) == 3
    called, removed = desk.calls()[begun:]
    name = called[3]
    assert called == [
        "run", "--rm", "--name", name, "--interactive", "--user", "1:2", "--workdir", "/x", "--env", "A=b",
        "--mount", "type=bind,source=/here,target=/there,readonly", "--mount", "type=bind,source=/a,target=/b",
        "--entrypoint", "fail", first.id, "3",
    ]  # fmt: skip
    assert removed == ["rm", "--force", "--volumes", name]


def test_a_volume_whose_path_would_be_taken_apart_is_refused(desk: CliLab) -> None:
    with pytest.raises(ConfigInvalid, match="separator"):
        desk.backend.execute(desk.first(), Run(("fail", "0"), "t"), [("/a,b", "/b", False)], False)


def test_an_image_of_a_registry_is_known_by_what_the_registry_has(desk: CliLab) -> None:
    pinned = "docker.io/library/debian@sha256:" + "a" * 64
    assert desk.backend.resolve("registry", pinned) == "a" * 64
    begun = len(desk.calls())
    with pytest.raises(ConfigInvalid, match="base image is not found"):
        desk.backend.resolve("registry", "no.such/image:1")
    with pytest.raises(ConfigInvalid):
        desk.backend.begin(desk.name(), BaseImage("registry", "no.such/image:1", "0" * 64))
    assert ["pull", "--quiet", "no.such/image:1"] in desk.calls()[begun:]
    tag = f"{desk.prefix}-known:1"
    desk.backend.tag(desk.first(), tag)
    desk.backend.begin(desk.name(), BaseImage("registry", tag, "0" * 64)).close()
    assert len(desk.backend.resolve("registry", tag)) == 64


def test_what_the_engine_refuses_is_a_failure_with_its_words(desk: CliLab) -> None:
    with pytest.raises(PhaseFailed, match=r"tag ended with status 1 \(Error response from daemon: No such image"):
        desk.backend.tag(type(desk.first())(uuid.uuid4().hex, ()), "habitat-x:1")
