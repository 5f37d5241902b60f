"""The fixed scripts run what they are given, as it is: programs by what they name first, packages as separate words."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from panaversity_builder.environment.recipe import Run
from panaversity_builder.environment.recipes.contents import APT, setup_part
from panaversity_builder.environment.recipes.parts import programs
from panaversity_builder.environment.settings.shape import Packages, Program, Setup

SHELLS = [
    pytest.param(["sh"], id="sh"),
    pytest.param(
        ["busybox", "sh"], id="busybox", marks=pytest.mark.skipif(not shutil.which("busybox"), reason="no busybox")
    ),
]


def ran(run: Run, shell: list[str], folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    assert run.argv[0] == "sh"
    return subprocess.run(
        [*shell, *run.argv[1:]],
        input=run.stdin.decode(),
        env={"PATH": os.environ["PATH"], "TMPDIR": str(folder), **environ},
        cwd=folder,
        capture_output=True,
        text=True,
    )


def program(content: bytes, *args: str) -> Run:
    (run,) = programs([Program(path="./x", args=args)], [content]).actions
    assert isinstance(run, Run)
    return run


@pytest.mark.parametrize("shell", SHELLS)
def test_a_program_gets_its_arguments_as_they_are_and_leaves_no_file(shell: list[str], tmp_path: Path) -> None:
    args = ("a b", "$(touch evil)", "", "'\"", "--x", "\n")
    done = ran(program(b'#!/bin/sh\nprintf "<%s>" "$@"\ncat\n', *args), shell, tmp_path)
    assert (done.returncode, done.stdout) == (0, "".join(f"<{arg}>" for arg in args))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_programs_status_is_the_commands(shell: list[str], tmp_path: Path) -> None:
    assert ran(program(b"#!/bin/sh\nexit 42\n"), shell, tmp_path).returncode == 42
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_program_is_run_by_what_it_names_first_else_by_the_shell(shell: list[str], tmp_path: Path) -> None:
    python = shutil.which("python3")
    assert ran(program(f"#!{python}\nprint(6 * 7)\n".encode()), shell, tmp_path).stdout == "42\n"
    assert ran(program(b"echo plain\n"), shell, tmp_path).stdout == "plain\n"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("failing", ["update", "install", "none"])
def test_packages_are_separate_words_and_the_first_failure_ends_it(
    shell: list[str], failing: str, tmp_path: Path
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "apt-get").write_text(
        f'#!/bin/sh\nprintf "%s|" "$DEBIAN_FRONTEND" "$@"; echo\n[ "$1" != {failing} ] || exit 100\n'
    )
    (tools / "apt-get").chmod(0o755)
    (tools / "rm").symlink_to("/bin/true")
    (run,) = setup_part(Setup(packages=Packages(apt=("git", "g++"))), ()).actions
    assert isinstance(run, Run)
    assert run.argv[2] == APT
    done = ran(run, shell, tmp_path, PATH=f"{tools}:{os.environ['PATH']}")
    told = ["update|", "install|--yes|--no-install-recommends|--|git|g++|", "clean|"]
    expected = {"update": told[:1], "install": told[:2], "none": told}[failing]
    assert done.stdout.splitlines() == [f"noninteractive|{line}" for line in expected]
    assert done.returncode == (0 if failing == "none" else 100)
