"""A project with environments, for tests: written files, a sample that says every key there is, a base that is known.

Knows folders and the sample; does not know what is tested with them.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from panaversity_builder.environment.gather import prepare
from panaversity_builder.environment.load import Settings, load_environment
from panaversity_builder.environment.recipe import Environment
from panaversity_fs.core.errors import ConfigInvalid

BASE_DIGEST = "b" * 64

SAMPLE = """\
name: desk
description: Everything there is.
variables:
  CHANNEL: stable
secrets:
  token:
    env: DESK_TOKEN
  key:
    file: ./key
build:
  base:
    image: ./rootfs
  users:
    - name: ann
      uid: 1000
      groups: [staff, book]
      shell: /bin/sh
    - name: bob
      uid: 1001
      groups: [book]
      shell: /bin/sh
  env:
    LANG: C.UTF-8
    PATH: /opt/bin:$PATH
    CHANNEL: ${CHANNEL}
  habitat:
    shared_dirs: [/shared, /opt/bin]
    work_dir: /work
    owner: ann
  files:
    volumes:
      - source: ./cache
        dest: /cache
        readonly: true
    copies:
      - source: ./settings
        dest: /etc/settings
        owner: ann
        mode: "0755"
      - source: ./motd
        dest: /etc/motd
        owner: root
        mode: "0644"
  setup:
    packages:
      apt: [git, make]
      npm:
        - name: typescript@5.4
          global: true
        - name: "@scope/tool"
          global: true
        - name: left-pad
          global: false
    commands:
      root:
        - run: echo root
          user: bob
          secrets: [token]
          time_limit: 10m
        - run: echo again
          user: ann
          secrets: [token]
          time_limit: 10m
      user: ann
      scripts:
        - run: echo ann
          user: bob
          secrets: [token]
          time_limit: 10m
        - run: echo as the others
          secrets: [token]
          time_limit: 10m
    scripts:
      - path: ./install
        args: [--now, "2"]
        user: ann
        secrets: [key]
        time_limit: 90s
      - path: ./configure
        args: [a, b]
        user: ann
        secrets: [key]
        time_limit: 90s
  repos:
    - url: ./notes
      path: /notes
      branch: main
      owner: ann
    - url: ./notes
      path: /more
      branch: main
      owner: ann
  tools:
    - name: hello
      run: echo "$TOOL_VERSION"
      version: "1.10"
      user: ann
      secrets: [token]
      time_limit: 2h
    - name: bye
      run: echo bye
      version: "2"
      user: ann
      secrets: [token]
      time_limit: 2h
  verify:
    - run: test -d /notes
      user: ann
      secrets: [token]
      time_limit: 5
    - run: test -d /work
      user: ann
      secrets: [token]
      time_limit: 5
  final:
    workdir: /notes
    user: ann
    command: [sh, -l]
"""
HOOK = """\
      - run: echo {word} {phase}
        user: ann
        secrets: [key]
        time_limit: 30
      - run: echo {word} {phase} again
        user: ann
        secrets: [key]
        time_limit: 30
"""
PHASES = ("base", "users", "env", "habitat", "files", "setup", "repos", "tools", "verify", "final")


def lines_of(error: ConfigInvalid) -> list[str]:
    """Everything an error about a configuration tells, a line a finding."""
    return [str(error), *(f"{one['path']}: {one['reason']}" for one in error.details.get("also", ()))]


def full_sample() -> str:
    """A configuration that says every key of the schema, two of everything that is a list."""
    hooks = [f"    {phase}:\n{HOOK.format(word=word, phase=phase)}" for word in ("before", "after") for phase in PHASES]
    half = len(PHASES)
    limits = "".join(f"    {phase}: 10m\n" for phase in ("default", *PHASES))
    return f"{SAMPLE}  before:\n{''.join(hooks[:half])}  after:\n{''.join(hooks[half:])}  time_limits:\n{limits}"


class KnownBase:
    """The part of a backend that ``prepare`` asks."""

    name = "known"

    def __init__(self, digest: str = BASE_DIGEST) -> None:
        self.digest = digest
        self.asked: list[tuple[str, str]] = []

    def resolve(self, kind: str, reference: str) -> str:
        self.asked.append((kind, reference))
        return self.digest


class Project:
    """A folder with ``environments/``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ: dict[str, str] = {"XDG_CONFIG_DIRS": str(folder / "etc"), "PATH": os.environ["PATH"]}

    def write(self, text: str, name: str = "desk/config.yaml") -> Path:
        file = self.folder / "environments" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def load(self, name: str = "desk", **environ: str) -> Settings:
        return load_environment(str(self.folder), name, {**self.environ, **environ})

    def prepare(self, name: str = "desk", base: KnownBase | None = None, **environ: str) -> Environment:
        settings = self.load(name, **environ)
        return prepare(settings, base or KnownBase(), {**self.environ, **environ})  # type: ignore[arg-type]

    def loaded(self, text: str, **environ: str) -> Settings:
        """The settings of this text."""
        self.write(text)
        return self.load(**environ)

    def prepared(self, text: str, **environ: str) -> Environment:
        self.write(text)
        return self.prepare(**environ)


def full_project(folder: Path) -> Project:
    """The sample with every file it names, and a repository with one commit that is the same everywhere."""
    project = Project(folder)
    here = project.write(full_sample()).parent
    (here / "rootfs").mkdir()
    (here / "cache").mkdir()
    (here / "settings").mkdir()
    for name, text in {"key": "k", "motd": "hello\n", "install": "#!/bin/sh\nid\n", "configure": "pwd\n"}.items():
        (here / name).write_text(text)
        (here / name).chmod(0o644)
    (here / "settings" / "a.ini").write_text("a = 1\n")
    (here / "settings" / "a.ini").chmod(0o644)
    (here / "settings").chmod(0o755)
    repository(here / "notes", {"README": "notes\n"})
    return project


_MOMENT = "2026-01-01T00:00:00Z"
_AUTHOR = {
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_AUTHOR_DATE": _MOMENT,
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
    "GIT_COMMITTER_DATE": _MOMENT,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder as somebody who is the same everywhere."""
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env={**os.environ, **_AUTHOR},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def repository(folder: Path, files: Mapping[str, str]) -> str:
    """A new repository with one commit on ``main``; answers the commit."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main", "--template=")
    return committed(folder, files)


def committed(folder: Path, files: Mapping[str, str]) -> str:
    """One more commit; answers it."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--no-gpg-sign", "-m", "change")
    return git(folder, "rev-parse", "HEAD")
