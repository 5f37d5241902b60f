"""What the commands of ``panaversity env`` say and answer; images are made in a dictionary here."""

import contextlib
import io
import itertools
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from panaversity_builder.book.site import Site, node_version
from panaversity_builder.cli import run
from panaversity_builder.config import load_config
from panaversity_builder.console import Console
from panaversity_builder.environment.backend.choose import choose_backend
from panaversity_builder.environment.backend.memory import Machine, MemoryBackend
from panaversity_builder.environment.backend.port import Backend
from panaversity_builder.environment.lock import environment_lock
from panaversity_builder.environment.recipe import Configure, Run
from panaversity_builder.environment.volumes import Volume
from support.command import Outcome, clean_environ

PHASES = ["base", "users", "env", "habitat", "files", "setup", "repos", "tools", "verify", "final"]
CONFIG = """\
build:
  base: rootfs:../root
  env: {GREETING: hello}
  files: {volumes: [{source: ../root, dest: /mnt/root, readonly: true}]}
  setup: {commands: {root: ["set it up"]}}
  verify: ["look at it"]
  final: {command: [start]}
"""


class Shells(dict[str, Callable[[Machine], int]]):
    """Every program there can be: all end well, but for those whose arguments hold a word of ``failing``."""

    failing = ""

    def get(self, name: str, default: object = None) -> Callable[[Machine], int]:  # type: ignore[override]
        return self._program

    def _program(self, machine: Machine) -> int:
        said = " ".join(machine.argv)
        machine.out.extend(f"{said}\n".encode())
        return 3 if self.failing and self.failing in said else 0


class Desk:
    """A project, and the command line in front of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.backend, self.shells = folder, MemoryBackend(), Shells()
        self.backend.programs = self.shells
        self.choose: Callable[..., Backend] = lambda *_: self.backend
        (folder / ".git").mkdir()
        (folder / "root" / "etc").mkdir(parents=True)
        (folder / "root" / "etc" / "file").write_text("1")
        (folder / "environments").mkdir()
        self.configure(CONFIG)

    def configure(self, text: str, name: str = "desk") -> None:
        (self.folder / "environments" / f"{name}.yaml").write_text(text)

    def env(self, *words: str, **environ: str) -> Outcome:
        storage = str(self.folder / "storage")
        console = Console(io.StringIO(), io.StringIO(), {})
        with (
            patch("panaversity_builder.environment.backend.choose.choose_backend", self.choose),
            patch.dict(os.environ, clean_environ(PANAVERSITY_ENV_STORAGE=storage, **environ), clear=True),
            contextlib.chdir(self.folder),
        ):
            status = run(["env", *words], console)
        return Outcome(status, console._out.getvalue(), console._err.getvalue())  # type: ignore[attr-defined]

    def body(self, *words: str) -> dict[str, object]:
        outcome = self.env(*words, "--format", "json")
        body: dict[str, object] = json.loads(outcome.out)
        assert next(iter(body)) == "schema_version"
        return body


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_build_tells_what_is_cached_what_runs_first_and_why_and_the_tag(desk: Desk) -> None:
    cold = desk.env("build", "desk")
    assert cold.status == 0
    assert cold.err.splitlines()[:3] == [
        "Cached phases found: none",
        "First to run: 1 base (never built)",
        "[10%] ✅ Preparing the base image (0.0s) → habitat-desk:1-base",
    ]
    assert cold.err.splitlines()[-1] == "[100%] ✅ Finishing the image (0.0s) → habitat-desk:10-final"
    first, total = cold.out.splitlines()
    assert first.startswith("env build desk: habitat-desk:final-")
    assert total == "Total time: 0.0s (10 phases ran, 0 cached)" or total.startswith("Total time: ")
    desk.configure(CONFIG.replace("set it up", "set it up well"))
    changed = desk.env("build", "desk")
    assert changed.err.startswith("Cached phases found: 1 base, 2 users, 3 env, 4 habitat, 5 files\n")
    assert "\nFirst to run: 6 setup (changed: " in changed.err
    same = desk.env("build", "desk")
    assert same.err.splitlines()[1:] == ["Nothing to run"]
    assert same.out.startswith(first[:30])
    assert desk.env("build", "desk", "-q").err == ""


def test_explain_says_for_every_phase_why(desk: Desk) -> None:
    desk.env("build", "desk")
    said = desk.env("build", "desk", "--explain", "--rebuild", "tools").err
    assert "[70%] Cloning repositories: cached, unchanged" in said
    assert "[70%] Installing tools: rebuild requested" in said


def test_a_build_answers_in_machine_form(desk: Desk) -> None:
    body = desk.body("build", "desk")
    assert [phase["name"] for phase in body["phases"]] == PHASES  # type: ignore[attr-defined]
    assert (body["ran"], body["cached"], body["backend"]) == (10, 0, "memory")
    assert body["final_tag"] == f"habitat-desk:final-{str(body['key'])[:12]}"
    partly = desk.body("build", "desk", "--rebuild", "5", "--until", "files")
    assert (partly["final_tag"], partly["ran"]) == (None, 1)


def test_a_dry_run_and_show_phases_change_nothing(desk: Desk) -> None:
    rows = desk.body("build", "desk", "--dry-run")["phases"]
    assert [row["state"] for row in rows] == ["would run"] * 10  # type: ignore[attr-defined]
    assert desk.backend.images("habitat") == []
    desk.env("build", "desk", "--until", "repos")
    table = desk.env("show-phases", "desk").out.splitlines()
    assert table[0].split() == ["id", "name", "description", "state", "age", "size", "last"]
    assert [line.split()[:2] for line in table[1:11]] == [[str(i), name] for i, name in enumerate(PHASES, 1)]
    assert "tools would run: never built" in table
    row = desk.body("show-phases", "desk")["phases"][6]  # type: ignore[index]
    assert (row["state"], row["tag"]) == ("cached", "habitat-desk:7-repos")
    assert "[80%] tools: would run: never built" in desk.env("build", "desk", "--dry-run").out


def test_an_unknown_phase_or_environment_is_told_with_those_there_are(desk: Desk) -> None:
    for words in (("--rebuild", "docs"), ("--until", "11")):
        outcome = desk.env("build", "desk", *words)
        assert outcome.status == 2
        assert "9 verify, 10 final" in outcome.err
    assert desk.env("build", "dask").status == 15
    assert "desk" in desk.env("build", "dask").err


def test_a_failing_command_is_told_with_the_end_of_its_log(desk: Desk) -> None:
    desk.shells.failing = "look at it"
    failed = desk.env("build", "desk")
    assert failed.status == 14
    assert "[80%] ❌ Verifying" in failed.err
    log = desk.folder / ".panaversity" / "environments" / "desk" / "logs" / "9-verify.log"
    assert str(log) in failed.err
    assert failed.err.splitlines()[-1].startswith("  | ")
    body = desk.body("build", "desk")["error"]
    assert (body["phase"], body["exit_status"], body["status"]) == ("9", 14, 3)  # type: ignore[index]
    desk.shells.failing = ""
    assert "First to run: 9 verify (never built)" in desk.env("build", "desk").err


def test_a_program_runs_in_what_was_built_and_its_status_is_ours(desk: Desk) -> None:
    missing = desk.env("run", "desk", "--", "true")
    assert missing.status == 2
    assert "panaversity env build desk" in missing.err
    desk.env("build", "desk")
    desk.backend.programs = {"fail": lambda machine: int(machine.argv[1]), "start": lambda machine: 6}
    assert desk.env("run", "desk", "--", "fail", "5", "--user", "x").status == 5
    assert desk.env("run", "desk").status == 6, "without a command the image's own"
    assert desk.backend.calls[-2:] == ["execute fail 5 --user x", "execute start"]
    (desk.folder / "root" / "etc" / "file").unlink()
    (desk.folder / "root" / "etc").rmdir()
    (desk.folder / "root").rmdir()
    assert desk.env("run", "desk", "--", "true").status == 15, "a volume is gone"


def test_what_is_kept_is_listed_and_pruned(desk: Desk) -> None:
    assert "desk         0          0        -     not built" in desk.env("list").out
    desk.env("build", "desk")
    desk.configure(CONFIG.replace("set it up", "set it up well"))
    desk.env("build", "desk")
    one = desk.body("list")["environments"][0]  # type: ignore[index]
    assert (one["name"], len(one["images"])) == ("desk", 15)
    assert sum(image["state"] == "orphan" for image in one["images"]) == 5
    assert "would remove 5 images" in desk.env("prune", "--orphans", "--dry-run").out
    assert "removed 5 images" in desk.env("prune").out
    assert "Nothing to run" in desk.env("build", "desk").err
    assert "removed 0 images" in desk.env("prune", "--keep", "1").out
    with environment_lock(str(desk.folder / "storage" / "locks"), "desk"):
        busy = desk.env("prune", "--all")
    assert "removed 0 images" in busy.out
    assert "is being built and is left alone" in busy.err
    assert "removed 10 images" in desk.env("prune", "--all").out
    assert desk.backend.images("") == []


def test_keep_leaves_the_newest_of_each_phase(desk: Desk) -> None:
    for text in ("one", "two", "three"):
        desk.configure(CONFIG.replace("look at it", text))
        desk.env("build", "desk")
    assert "removed 2 images" in desk.env("prune", "--keep", "2").out
    assert desk.env("prune", "--keep", "-1").status == 2


def test_an_environment_that_was_taken_out_is_an_orphan_of_its_own_project_only(desk: Desk, tmp_path: Path) -> None:
    desk.env("build", "desk")
    (desk.folder / "environments" / "desk.yaml").unlink()
    other = tmp_path / "other"
    other.mkdir()
    stranger = Desk(other)
    stranger.backend = desk.backend
    stranger.configure(CONFIG, "theirs")
    (other / "environments" / "desk.yaml").unlink()
    assert "removed 0 images" in stranger.env("prune").out
    assert "removed 10 images" in desk.env("prune").out
    assert desk.env("prune", "nobody").status == 2


def test_images_of_others_are_no_orphans(desk: Desk, tmp_path: Path) -> None:
    """Not those that merely begin their names so, nor what another project's newer ones replaced there, nor one that
    was made of ours under a name of its own."""
    desk.env("build", "desk")
    stored = desk.backend.images("habitat-desk:10-final")[0]
    desk.backend.keep("habitat-sim:latest", {}, {}, Configure())
    desk.backend.keep("habitat-mine:latest", stored.labels, {}, Configure())
    desk.backend.tag(stored, "habitat-desk:stable")
    other = tmp_path / "other"
    other.mkdir()
    stranger = Desk(other)
    stranger.backend = desk.backend
    (other / "environments" / "desk.yaml").rename(other / "environments" / "theirs.yaml")
    stranger.env("build", "theirs")
    stranger.configure(CONFIG.replace("set it up", "set it up well"), "theirs")
    stranger.env("build", "theirs")
    assert "removed 0 images" in desk.env("prune").out
    assert "removed 0 images" in desk.env("prune", "--orphans").out
    listed = {one["name"]: one for one in desk.body("list")["environments"]}  # type: ignore[attr-defined]
    assert {name: len(one["images"]) for name, one in listed.items()} == {"desk": 10, "theirs": 15}
    assert {image["state"] for image in listed["theirs"]["images"]} == {"elsewhere"}
    assert listed["theirs"]["final_tag"] == stranger.body("build", "theirs")["final_tag"]
    assert "removed 5 images" in stranger.env("prune").out
    desk.env("prune", "--all")
    left = {tag for image in desk.backend.images("habitat-") for tag in image.tags if "theirs" not in tag}
    assert left == {"habitat-sim:latest", "habitat-mine:latest", "habitat-desk:stable"}


def test_an_environment_described_anywhere_is_none_that_was_taken_out(desk: Desk, tmp_path: Path) -> None:
    away = tmp_path / "examples" / "far"
    away.mkdir(parents=True)
    (away / "config.yaml").write_text(CONFIG.replace("../root", "../../root"))
    assert desk.env("build", "examples/far/config.yaml").status == 0
    assert "removed 0 images" in desk.env("prune").out
    (away / "config.yaml").write_text(CONFIG.replace("../root", "../../root").replace("set it up", "set it up well"))
    assert desk.env("build", "examples/far").status == 0
    assert "removed 5 images" in desk.env("prune").out, "what was replaced is ours all the same"
    (away / "config.yaml").unlink()
    assert "removed 10 images" in desk.env("prune").out


def test_an_environment_that_is_called_otherwise_now_leaves_orphans(desk: Desk) -> None:
    desk.env("build", "desk")
    desk.configure(f"name: writing\n{CONFIG}")
    assert "removed 10 images" in desk.env("prune").out


def test_images_go_by_the_name_a_configuration_says_and_by_its_file(desk: Desk) -> None:
    """The name in the file wins over the file's: such images are no orphans, and either word finds them."""
    desk.configure(f"name: writing\n{CONFIG}")
    desk.env("build", "desk")
    assert desk.body("list")["environments"][0]["name"] == "writing"  # type: ignore[index]
    assert "removed 0 images" in desk.env("prune").out
    for word in ("desk", "environments/desk.yaml", "writing"):
        assert "would remove 10 images" in desk.env("prune", "--all", "--dry-run", word).out
    assert "is not there" in desk.env("prune", "environments/desk2.yaml").err


def test_an_unreadable_configuration_makes_no_image_an_orphan(desk: Desk) -> None:
    desk.configure(f"name: writing\n{CONFIG}")
    desk.env("build", "desk")
    desk.configure(f"name: writing\nsurprise: 1\n{CONFIG}")
    pruned = desk.env("prune")
    assert "removed 0 images" in pruned.out
    assert "environments/desk.yaml cannot be read, so images of unknown names are left alone" in pruned.err


def test_an_export_is_a_file_and_tells_its_size(desk: Desk) -> None:
    desk.env("build", "desk")
    body = desk.body("export", "desk", "out.tar")
    assert body["bytes"] == (desk.folder / "out.tar").stat().st_size > 0


def test_the_configuration_is_shown_with_the_place_of_every_value(desk: Desk) -> None:
    assert "environments/desk.yaml:3:" in next(
        line for line in desk.env("config", "desk").out.splitlines() if "GREETING" in line
    )
    keys = [row["key"] for row in desk.body("config", "desk")["values"]]  # type: ignore[attr-defined]
    assert "env.GREETING" in keys


def test_a_secret_without_a_value_stops_the_build_before_it_begins(desk: Desk) -> None:
    desk.configure(CONFIG + "secrets: {TOKEN: {env: THE_TOKEN}}\n")
    desk.configure(
        CONFIG.replace('"look at it"', '{run: "use it", secrets: [TOKEN]}') + "secrets: {TOKEN: {env: THE_TOKEN}}\n"
    )
    assert desk.env("build", "desk").status == 15
    assert desk.backend.images("") == []
    assert desk.env("build", "desk", "--until", "users").status == 0, "nothing reads it as far as that"
    assert desk.env("build", "desk", THE_TOKEN="hidden").status == 0
    assert "Nothing to run" in desk.env("build", "desk").err, "nor where nothing runs"


def test_two_builds_at_once_are_refused_with_status_5(desk: Desk) -> None:
    with environment_lock(str(desk.folder / "storage" / "locks"), "desk"):
        second = desk.env("build", "desk")
    assert second.status == 5
    assert "is being built by another command" in second.err


def test_a_job_of_github_folds_each_phase(desk: Desk) -> None:
    said = desk.env("build", "desk", "--format", "github").err
    assert "::group::repos: never built" in said
    assert said.count("::endgroup::") == 10


def test_every_option_of_every_command_is_tried_here() -> None:
    from panaversity_builder.cli.env import command

    tried = Path(__file__).read_text()
    for name, one in command.commands.items():
        options = {word for option in one.params for word in option.opts if word.startswith("--")}
        missing = [word for word in options - {"--verbose", "--quiet"} if f'"{word}"' not in tried]
        assert not missing, (name, missing)


def test_what_a_program_may_see_is_said_option_by_option(desk: Desk, tmp_path: Path) -> None:
    desk.env("build", "desk")
    seen: list[tuple[Run, Sequence[Volume]]] = []
    desk.backend.execute = lambda image, run, volumes, interactive: seen.append((run, volumes)) or 0  # type: ignore[assignment, func-returns-value]
    words = ["--mount", "root", "--here", "--user", "1:2", "--workdir", "/w", "--variable", "SHOWN", "--variable", "NO"]
    assert desk.env("run", *words, "desk", "--", "program", "--here", SHOWN="it's").status == 0
    ((run, volumes),) = seen
    assert (run.user, run.cwd) == ("1:2", "/w")
    assert run.argv[-3:] == ("sh", "program", "--here")
    assert "it's" not in " ".join(run.argv)
    root, here = str(tmp_path / "root"), str(tmp_path)
    assert [one for one in volumes if one[1] != "/run/panaversity"] == [
        (root, "/mnt/root", True),
        (root, root, False),
        (here, here, False),
    ]


def test_a_site_is_built_in_the_environment_and_known_by_its_key(desk: Desk, tmp_path: Path) -> None:
    from panaversity_builder.cli.env.within import site_within

    config = replace(load_config({}, {}, str(tmp_path), "me"), env_storage=str(tmp_path / "storage"))
    console = Console(io.StringIO(), io.StringIO(), {})
    (tmp_path / "site").mkdir()
    outside = tmp_path.parent / f"{tmp_path.name}-docs"
    given = {"DOCUSAURUS_X": "1", "PATH": "/bin", "MINE": "2", "TOKEN": "3"}
    site = Site(str(tmp_path / "site"), str(outside), given, variables=("MINE",))
    with patch("panaversity_builder.environment.backend.choose.choose_backend", lambda *_: desk.backend):
        ahead = site_within(console, config, site, "desk", building=False)
        assert desk.backend.images("habitat") == []
        there = site_within(console, config, site, "desk", building=True)
        assert site_within(console, config, site, "desk", building=False) == there
    assert ahead.within == tuple(word for word in there.within if word not in ("--key", there.environment))
    assert ahead.environment == there.environment
    assert there.environment == desk.body("build", "desk")["key"]
    words = " ".join(there.within)
    assert (
        f"env run --quiet --key {there.environment} --workdir {tmp_path / 'site'} --user {os.getuid()}:{os.getgid()} "
        in words
    )
    assert f"--mount {tmp_path} --mount {outside} " in words
    variables = [after for word, after in itertools.pairwise(there.within) if word == "--variable"]
    assert variables == ["DOCUSAURUS_X", "MINE", "NO_COLOR", "NO_UPDATE_NOTIFIER"]
    assert words.endswith(f"{tmp_path / 'environments' / 'desk.yaml'} --")


def test_a_program_runs_in_what_its_own_project_built(desk: Desk, tmp_path: Path) -> None:
    """Another checkout's environment of that name may have taken the tag; the key is nobody else's."""
    key = str(desk.body("build", "desk")["key"])
    ours = desk.backend.images("habitat-desk:10-final")[0].id
    assert "last built in" not in desk.env("run", "desk", "--", "true").err
    other = tmp_path / "other"
    other.mkdir()
    stranger = Desk(other)
    stranger.backend = desk.backend
    stranger.configure(CONFIG.replace("set it up", "set it up otherwise"))
    assert stranger.env("build", "desk").status == 0
    seen: list[str] = []
    desk.backend.execute = lambda image, run, volumes, interactive: seen.append(image.id) or 0  # type: ignore[assignment, func-returns-value]
    by_key, by_name = (desk.env("run", *words, "desk", "--", "true") for words in (("--key", key), ()))
    assert (seen[0] == ours, seen[1] == ours) == (True, False)
    assert by_key.err == ""
    assert f"environment desk was last built in {other}, where it may be described in another way" in by_name.err
    assert desk.env("run", "--key", "0" * 64, "desk", "--", "true").status == 2


def test_a_program_that_refuses_is_told_as_the_command_that_asked(desk: Desk, tmp_path: Path) -> None:
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\necho no daemon >&2\n[ $1 = version ]\n")
    program.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PANAVERSITY_ENV_BACKEND": "docker"}
    desk.choose = choose_backend
    for words in (["list"], ["prune"], ["export", "desk", "x.tar"], ["run", "desk"], ["show-phases", "desk"]):
        outcome = desk.env(*words, **environ)
        assert outcome.status == 15, words
        assert f"env {words[0]}: docker: docker image ended with status 1 (no daemon)" in outcome.err


def test_node_is_asked_for_its_version_where_it_will_run(tmp_path: Path) -> None:
    told = ("sh", "-c", 'echo "v20.1.0 by $*"', "sh")
    assert node_version(Site(str(tmp_path), "", dict(os.environ), within=told)) == "v20.1.0 by node --version"
