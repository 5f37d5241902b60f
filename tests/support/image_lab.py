"""The media on which the port of images is judged: a dictionary, buildah, and the command lines of a pretended engine.

Knows how each is made and what it has left behind; does not know what is judged.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from panaversity_builder.environment.backend.buildah import Buildah
from panaversity_builder.environment.backend.container_cli import ContainerCli
from panaversity_builder.environment.backend.memory import MemoryBackend
from panaversity_builder.environment.backend.naming import working_name
from panaversity_builder.environment.backend.port import Backend, Container, Image
from panaversity_builder.environment.recipe import BaseImage, Run
from support.small_root import BUSYBOX, WORDS, make_root

FAKE_DOCKER = Path(__file__).with_name("fake_docker.py")


def why_not_buildah() -> str | None:
    """Why buildah cannot be tried here; None where it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "buildah is tried on Linux as root only"
    missing = [name for name in ("buildah", "unshare", "setpriv") if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    return None if os.path.exists(BUSYBOX) else f"{BUSYBOX} is not there (package busybox-static)"


class Lab:
    """One medium with a base. ``prefix`` begins the names of this lab's images and containers."""

    def __init__(self, backend: Backend, base: BaseImage, work: Path) -> None:
        self.backend, self.base, self.work = backend, base, work
        self.prefix = f"habitat-{uuid.uuid4().hex[:8]}"
        self._first: Image | None = None

    def name(self) -> str:
        """A name for a working container."""
        return working_name(f"{self.prefix}-work")

    def first(self) -> Image:
        """An image made of the base, once."""
        if self._first is None:
            self._first = self.backend.begin(self.name(), self.base).commit(f"{self.prefix}-base:1", {})
        return self._first

    def container(self) -> Container:
        """A working container on that image."""
        return self.backend.follow(self.name(), self.first())

    def said(self, container: Container, *argv: str, secrets: Mapping[str, bytes] | None = None, **run: object) -> str:
        """What a program writes that ends well."""
        log = io.BytesIO()
        asked = Run(argv, " ".join(argv), secrets=tuple(secrets or ()), **run)  # type: ignore[arg-type]
        assert container.run(asked, secrets or {}, log) == 0, log.getvalue()
        return log.getvalue().decode()

    def variables(self, container: Container, *names: str, **run: object) -> list[str]:
        """The values a program sees."""
        return self.said(container, "vars", *names, **run).split("\x1e")[:-1]  # type: ignore[arg-type]

    def starts(self, image: Image) -> dict[str, object]:
        """What the image says of how it starts: ``Entrypoint``, ``Cmd`` and ``User``, None where it says nothing."""
        raise AssertionError("each medium has its own way to tell")

    def left_behind(self) -> list[str]:
        """Working containers and folders that are still there."""
        folders = [str(path) for path in self.work.rglob("habitat-*")]
        return [*self.containers(), *folders]

    def containers(self) -> list[str]:
        """Names of the working containers of this lab."""
        raise AssertionError("each medium has its own way to list them")


class MemoryLab(Lab):
    def containers(self) -> list[str]:
        assert isinstance(self.backend, MemoryBackend)
        return list(self.backend.containers)

    def starts(self, image: Image) -> dict[str, object]:
        assert isinstance(self.backend, MemoryBackend)
        container = self.backend.follow("look", image)
        container.close()
        command = container.config.command
        return {"Entrypoint": None, "Cmd": list(command) if command else None, "User": container.config.user}


class BuildahLab(Lab):
    def containers(self) -> list[str]:
        assert isinstance(self.backend, Buildah)
        rows = json.loads(self.backend._tool.call("containers", "--json")) or []
        return [row["containername"] for row in rows if row["containername"].startswith(self.prefix)]

    def starts(self, image: Image) -> dict[str, object]:
        archive = self.work.parent / "look.tar"
        self.backend.export(image, str(archive))
        with tarfile.open(archive) as tar:

            def read(path: str) -> Any:
                return json.loads(tar.extractfile(path).read())  # type: ignore[union-attr]

            manifest = read(f"blobs/sha256/{read('index.json')['manifests'][0]['digest'].partition(':')[2]}")
            config = read(f"blobs/sha256/{manifest['config']['digest'].partition(':')[2]}")["config"]
        archive.unlink()
        return _starts(config)


class CliLab(Lab):
    def containers(self) -> list[str]:
        state = Path(os.environ["FAKE_DOCKER"])
        return list(json.loads(state.read_text())["containers"]) if state.exists() else []

    def starts(self, image: Image) -> dict[str, object]:
        images = json.loads(Path(os.environ["FAKE_DOCKER"]).read_text())["images"]
        return _starts(images[image.id]["config"])

    def say(self, image: Image, starts: Mapping[str, object]) -> None:
        """Let an image say this of how it starts."""
        file = Path(os.environ["FAKE_DOCKER"])
        state = json.loads(file.read_text())
        state["images"][image.id]["config"] |= starts
        file.write_text(json.dumps(state))

    def calls(self) -> list[list[str]]:
        """Every argument list so far."""
        file = Path(os.environ["FAKE_DOCKER"] + ".calls")
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def _starts(config: Mapping[str, object]) -> dict[str, object]:
    return {name: config.get(name) or None for name in ("Entrypoint", "Cmd", "User")}


def pretend(folder: Path, name: str, patch: pytest.MonkeyPatch) -> None:
    """Put a pretended ``docker`` or ``podman`` in front of the PATH, its state in this folder."""
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin" / name
    program.write_text(f'#!/bin/sh\nFAKE_DOCKER_NAME={name} exec {sys.executable} -I -S {FAKE_DOCKER} "$@"\n')
    program.chmod(0o755)
    patch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    patch.setenv("FAKE_DOCKER", str(folder / "state.json"))


@contextmanager
def lab(medium: str, folder: Path) -> Iterator[Lab]:
    """The medium of this name in this folder; skips where it cannot be tried."""
    root, work = folder / "root", folder / "work"
    if medium == "buildah" and (why := why_not_buildah()):
        pytest.skip(why)
    if medium == "buildah":
        make_root(root)
    else:
        (root / "opt").mkdir(parents=True)
        (root / "opt" / "file").write_text("its programs are functions")
    with pytest.MonkeyPatch.context() as patch:
        if medium == "memory":
            backend: Backend = MemoryBackend(WORDS)
            yield MemoryLab(backend, _base(backend, root), work)
        elif medium == "buildah":
            backend = Buildah(str(folder / "storage"), str(work))
            yield BuildahLab(backend, _base(backend, root), work)
        else:
            pretend(folder / "pretended", medium, patch)
            backend = ContainerCli(medium, str(work))
            yield CliLab(backend, _base(backend, root), work)


def _base(backend: Backend, root: Path) -> BaseImage:
    return BaseImage("rootfs", str(root), backend.resolve("rootfs", str(root)))


def processes_with(mark: str) -> list[str]:
    """Command lines of all processes of this machine that hold a mark."""
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if mark in line]
