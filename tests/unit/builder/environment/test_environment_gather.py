"""The facts before a build: what lies here is digested, scripts are read, secrets are found when they are needed."""

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from panaversity_builder.environment import gather
from panaversity_builder.environment.gather import gathered
from panaversity_builder.environment.recipe import BaseImage, Copy, Run
from panaversity_builder.environment.secrets import secret_values
from panaversity_builder.environment.source_tree import source_digest
from panaversity_fs.core.errors import ConfigInvalid
from support.environments import KnownBase, Project, lines_of, repository

LEAST = "build:\n  base: debian:12\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def here(project: Project) -> Path:
    return project.write(LEAST).parent


def refused(project: Project, text: str) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        project.prepared(text)
    assert caught.value.exit_status == 15
    return "\n".join(lines_of(caught.value))


@pytest.mark.parametrize(
    ("image", "kind", "reference"),
    [
        ("debian", "registry", "debian:latest"),
        ("debian:12", "registry", "debian:12"),
        ("docker://quay.io:5000/a/b", "registry", "quay.io:5000/a/b:latest"),
        ("a/b@sha256:" + "1" * 64, "registry", "a/b@sha256:" + "1" * 64),
        ("./root", "rootfs", "environments/desk/root"),
        ("rootfs:root", "rootfs", "environments/desk/root"),
        ("rootfs:layout", "rootfs", "environments/desk/layout"),
        ("./layout", "oci", "environments/desk/layout"),
        ("oci:layout", "oci", "environments/desk/layout"),
        ("./image.tar", "oci", "environments/desk/image.tar"),
        ("oci-archive:image.tar", "oci", "environments/desk/image.tar"),
        ("../../base", "rootfs", "base"),
    ],
)
def test_a_base_is_an_image_a_layout_an_archive_or_a_folder(
    image: str, kind: str, reference: str, project: Project, here: Path
) -> None:
    (here / "root").mkdir()
    (here / "layout").mkdir()
    (here / "layout" / "oci-layout").write_text("{}")
    (here / "image.tar").write_text("")
    (project.folder / "base").mkdir()
    expected = reference if kind == "registry" else str(project.folder / reference)
    known = KnownBase()
    facts = gathered(project.loaded(f"build: {{base: '{image}'}}"), known, {})  # type: ignore[arg-type]
    assert facts.base == BaseImage(kind, expected, known.digest)
    assert known.asked == [(kind, expected)]


def test_what_is_not_there_is_told_all_at_once_with_its_lines(project: Project, here: Path) -> None:
    (here / "empty").write_text("")
    text = (
        "build:\n  base: ./none\n"
        "  files: {copies: [{source: ./a, dest: /a}, {source: ./b, dest: /b}]}\n"
        "  setup:\n    scripts: [./c, ./empty, .]\n  repos:\n    - {url: ./d, path: /d}\n"
    )
    lines = refused(project, text).splitlines()
    assert [line.partition("yaml:")[2].partition(" is ")[0] for line in lines[:5]] == [
        f"2:9: base.image: {here}/none",
        f"3:29: files.copies[0].source: {here}/a",
        f"3:54: files.copies[1].source: {here}/b",
        f"5:15: setup.scripts[0].path: {here}/c",
        f"5:20: setup.scripts[1].path: {here}/empty",
    ]
    assert lines[5].endswith("is not a file. Name a file.")
    assert "7:13: repos[0].url: ./d cannot be asked (" in lines[6]


def test_a_base_that_is_not_there_is_told_with_its_line(project: Project) -> None:
    told = refused(project, "build:\n  base: ./nowhere\n")
    assert told.startswith("environment: environments/desk/config.yaml:2:9: base.image: ")
    assert told.endswith("nowhere is not there. Name a folder or an archive.")


def test_what_cannot_be_copied_is_told_by_its_name(project: Project, here: Path) -> None:
    (here / "stuff").mkdir()
    with socket.socket(socket.AF_UNIX) as one:
        before = Path.cwd()
        os.chdir(here / "stuff")  # such a name must be short
        try:
            one.bind("door")
        finally:
            os.chdir(before)
        told = refused(project, f"{LEAST}  files: {{copies: [{{source: ./stuff, dest: /a}}]}}\n")
    assert "stuff/door is neither a file, a folder nor a link. Leave it out." in told


def test_a_branch_that_is_not_there_is_told_with_its_line(project: Project, here: Path) -> None:
    repository(here / "notes", {"a": "a"})
    told = refused(project, f"{LEAST}  repos: [{{url: ./notes, path: /n, branch: nope}}]\n")
    assert "3:17: repos[0].url: ./notes cannot be asked (it has no branch or tag nope). Look at the address" in told


def test_a_file_goes_into_a_folder_that_is_named_with_a_slash(project: Project, here: Path) -> None:
    (here / "a").write_text("a")
    (here / "f").mkdir()
    copies = "{source: ./a, dest: /x/}, {source: ./a, dest: /y}, {source: ./f, dest: /z/}"
    environment = project.prepared(f"{LEAST}  files: {{copies: [{copies}]}}\n")
    assert [a.target for a in environment.recipes[4].actions if isinstance(a, Copy)] == ["/x/a", "/y", "/z"]


def test_a_link_in_a_folder_counts_by_where_it_points_and_a_named_one_is_followed(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "l").symlink_to("nowhere")
    one = source_digest(str(tmp_path / "f"))
    (tmp_path / "link").symlink_to("f")
    assert source_digest(str(tmp_path / "link")) == one
    (tmp_path / "f" / "l").unlink()
    (tmp_path / "f" / "l").symlink_to("elsewhere")
    assert source_digest(str(tmp_path / "f")) != one


def test_names_and_contents_cannot_be_taken_for_each_other(tmp_path: Path) -> None:
    digests = set()
    for i, names in enumerate([{"a": "b"}, {"b": "a"}, {"ab": ""}, {"a": "", "b": ""}, {"a\nfile": ""}, {"d/a": "b"}]):
        for name, text in names.items():
            path = tmp_path / str(i) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        digests.add(source_digest(str(tmp_path / str(i))))
    assert len(digests) == 6


def test_a_name_that_is_not_utf8_is_digested_too(tmp_path: Path) -> None:
    with open(os.path.join(os.fsencode(tmp_path), b"\xff"), "wb") as file:
        file.write(b"x")
    assert source_digest(str(tmp_path))[0] is True


SECRETS = """\
secrets:
  PLAIN:
  named: {env: OTHER}
  kept: {file: ./kept}
build:
  base: debian:12
  before: {users: {run: a, secrets: PLAIN}}
  tools: [{name: t, run: b, secrets: [named, kept]}]
"""


def test_secrets_are_named_in_recipes_and_found_only_when_asked_for(project: Project, here: Path) -> None:
    environment = project.prepared(SECRETS)
    assert set().union(*(recipe.secrets for recipe in environment.recipes)) == {"PLAIN", "kept", "named"}
    settings = project.load()
    (here / "kept").write_bytes(b"k\xff\n")
    found = secret_values(settings, ["PLAIN", "named", "kept"], {"PLAIN": "p", "OTHER": "o"})
    assert found == {"PLAIN": b"p", "named": b"o", "kept": b"k\xff\n"}


def test_secrets_without_a_value_are_told_all_at_once(project: Project, here: Path) -> None:
    settings = project.loaded(SECRETS)
    with pytest.raises(ConfigInvalid) as caught:
        secret_values(settings, ["PLAIN", "named", "kept"], {"OTHER": ""})
    lines = lines_of(caught.value)
    assert "secrets.PLAIN: has no value: the variable PLAIN is not set or empty. Set it, and run again." in lines[0]
    assert "yaml:3:10: secrets.named: has no value: the variable OTHER is not set or empty." in lines[1]
    assert f"secrets.kept: has no value: {here}/kept cannot be read (No such file or directory)." in lines[2]


def test_a_secrets_value_is_in_no_recipe(project: Project, here: Path) -> None:
    (here / "kept").write_text("tell-nobody-1")
    environment = project.prepared(SECRETS)
    told = repr(project.prepare(PLAIN="tell-nobody-2", OTHER="tell-nobody-3"))
    assert told == repr(environment)
    assert "tell-nobody" not in told


def test_a_script_is_handed_over_as_it_is_with_its_arguments(project: Project, here: Path) -> None:
    (here / "go").write_bytes(b"#!/bin/sh\nexit 3\xff")
    (run,) = (
        project.prepared(
            f"{LEAST}  setup: {{scripts: {{path: ./go, args: ['; id', $(id)x]}}}}\n".replace("$(id)x", "'$$(id)'")
        )
        .recipes[5]
        .actions
    )
    assert isinstance(run, Run)
    assert run.stdin == b"#!/bin/sh\nexit 3\xff"
    assert run.argv[3:] == ("panaversity", "; id", "$(id)")


def test_a_ctrl_c_waits_for_no_repository(project: Project, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, began = here / "ssh", here / "began"
    slow.write_text(f"#!/bin/sh\ntouch {began}\nexec sleep 8\n")
    slow.chmod(0o755)
    ask = gather.resolve

    def stopped_by_hand(url: str, branch: str | None, environ: Mapping[str, str], *more: object) -> object:
        if url.startswith("git@"):
            return ask(url, branch, environ, *more)  # type: ignore[arg-type]
        while not began.exists():
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(gather, "resolve", stopped_by_hand)
    repos = "[{url: ./a, path: /a}, {url: 'git@example.org:b', path: /b}]"
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        project.prepared(f"{LEAST}  repos: {repos}\n", GIT_SSH=str(slow))
    assert time.monotonic() - started < 6
