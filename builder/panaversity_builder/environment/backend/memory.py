"""Images in a dictionary, for tests of what stands above the port: files by path, programs as functions.

Every call is recorded; any can be told to fail. Knows the contract of the port; does not know any real program.
"""

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import IO

from panaversity_builder.environment.backend.digests import oci_digest, rootfs_digest
from panaversity_builder.environment.backend.image_env import DEFAULT_PATH, merged
from panaversity_builder.environment.backend.masking import masked
from panaversity_builder.environment.backend.naming import is_abandoned
from panaversity_builder.environment.backend.port import Image
from panaversity_builder.environment.backend.secret_files import PLACE
from panaversity_builder.environment.recipe import BaseImage, Configure, Copy, Run
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import ConfigInvalid, OutputLocked, PhaseFailed, TimedOut


@dataclass
class Machine:
    """What a program sees: files by path, its arguments, variables, user, folder, stdin; it writes to ``out``."""

    files: dict[str, bytes]
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = "root"
    cwd: str = "/"
    stdin: bytes = b""
    out: bytearray = field(default_factory=bytearray)


class Hang(Exception):
    """A program's way to say that it never ends."""


Program = Callable[[Machine], int]


@dataclass(frozen=True)
class _Stored:
    image: Image
    files: Mapping[str, bytes]
    config: Configure


class MemoryBackend:
    """``programs`` by the name they are called with; ``failures`` by call (``commit habitat-x:2-users``), raised once.

    ``calls`` lists what was asked, in order; ``bases`` are contents of base images by reference.
    """

    name = "memory"

    def __init__(self, programs: Mapping[str, Program] | None = None) -> None:
        self.programs: dict[str, Program] = {**(programs or {})}
        self.bases: dict[str, Mapping[str, bytes]] = {}
        self.failures: dict[str, BaseException] = {}
        self.calls: list[str] = []
        self.containers: dict[str, MemoryContainer] = {}
        self._stored: dict[str, _Stored] = {}
        self._tags: dict[str, str] = {}
        self._numbers = itertools.count(1)

    def told(self, call: str) -> None:
        """Record a call, and fail it if it is to fail."""
        self.calls.append(call)
        if call in self.failures:
            raise self.failures.pop(call)

    def require(self) -> None:
        """See the port."""
        self.told("require")

    def resolve(self, kind: str, reference: str) -> str:
        """See the port."""
        self.told(f"resolve {kind}")
        if reference in self.bases:
            return digest_of(repr(sorted(self.bases[reference].items())).encode())
        if kind == "rootfs":
            return rootfs_digest(reference)
        if kind == "oci":
            return oci_digest(reference)
        raise _no_base(reference)

    def begin(self, name: str, base: BaseImage, seconds: float | None = None) -> "MemoryContainer":  # noqa: ARG002
        """See the port; it takes no time."""
        self.told(f"begin {base.kind}")
        files = self.bases.get(base.reference)
        if files is None and base.kind == "rootfs" and os.path.isdir(base.reference):
            files = dict(_read(base.reference))
        if files is None:
            raise _no_base(base.reference)
        return MemoryContainer(self, name, files, Configure({"PATH": DEFAULT_PATH}))

    def follow(self, name: str, image: Image) -> "MemoryContainer":
        """See the port."""
        self.told(f"follow {image.tags[0] if image.tags else image.id}")
        stored = self._stored.get(image.id)
        if stored is None:
            raise PhaseFailed("env build", image.id, "there is no such image")
        return MemoryContainer(self, name, stored.files, stored.config, stored.image)

    def images(self, prefix: str) -> Sequence[Image]:
        """See the port."""
        tags: dict[str, list[str]] = {}
        for tag, number in self._tags.items():
            if tag.startswith(prefix):
                tags.setdefault(number, []).append(tag)
        return [replace(self._stored[number].image, tags=tuple(names)) for number, names in tags.items()]

    def tag(self, image: Image, tag: str) -> None:
        """See the port."""
        self.told(f"tag {tag}")
        before = self._tags.get(tag)
        self._tags[tag] = image.id
        self._forget_unnamed(before)

    def untag(self, tag: str) -> None:
        """See the port. Raises ``OutputLocked`` while a container uses the image."""
        self.told(f"untag {tag}")
        number = self._tags.get(tag)
        if number is None:
            raise PhaseFailed("env prune", tag, "there is no such image")
        last = list(self._tags.values()).count(number) == 1
        if last and any(one.image == number for one in self.containers.values()):
            raise OutputLocked("env prune", tag, "is used by a container", "Wait until that has ended")
        del self._tags[tag]
        self._forget_unnamed(number)

    def _forget_unnamed(self, number: str | None) -> None:
        if number is not None and number not in self._tags.values():
            self._stored.pop(number, None)

    def sweep(self, prefix: str) -> int:
        """See the port."""
        gone = [name for name in self.containers if name.startswith(prefix) and is_abandoned(name)]
        for name in gone:
            del self.containers[name]
        return len(gone)

    def execute(
        self,
        image: Image,
        run: Run,
        volumes: Sequence[tuple[str, str, bool]],  # noqa: ARG002 — nothing is mounted here
        interactive: bool,  # noqa: ARG002
    ) -> int:
        """See the port; what is written goes nowhere."""
        stored = self._stored[image.id]
        self.told(f"execute {' '.join(run.argv)}")
        machine = _machine(run, dict(stored.files), stored.config, run.user or stored.config.user or "root")
        return self.programs[run.argv[0]](machine)

    def export(self, image: Image, file: str) -> None:
        """See the port; the archive is a list of names."""
        self.told(f"export {file}")
        with open(file, "x", encoding="utf-8") as archive:
            archive.write("".join(f"{path}\n" for path in sorted(self._stored[image.id].files)))

    def keep(self, tag: str, labels: Mapping[str, str], files: Mapping[str, bytes], config: Configure) -> Image:
        """Make an image, then give it the tag."""
        number = digest_of(f"{next(self._numbers)} {tag}".encode())
        size = sum(map(len, files.values()))
        image = Image(number, (tag,), dict(labels), size, f"2026-01-01T00:00:{len(self._stored) % 60:02}+00:00")
        self._stored[number] = _Stored(image, dict(files), config)
        before, self._tags[tag] = self._tags.get(tag), number
        self._forget_unnamed(before)
        return image


class MemoryContainer:
    """See the port. ``image`` is the id of the image it began from, empty for a base."""

    def __init__(
        self,
        backend: MemoryBackend,
        name: str,
        files: Mapping[str, bytes],
        config: Configure,
        parent: Image | None = None,
    ) -> None:
        self._backend, self.name = backend, name
        self.image, self._labels = (parent.id, parent.labels) if parent else ("", {})
        self.files, self.config = dict(files), config
        backend.containers[name] = self

    def run(self, run: Run, secrets: Mapping[str, bytes], log: IO[bytes]) -> int:
        """See the port."""
        self._backend.told(f"run {run.title}")
        machine = _machine(run, self.files, self.config, run.user or "root")
        mounted = {f"{PLACE}/{name}": _secret(name, secrets) for name in run.secrets}
        self.files.update(mounted)
        try:
            program = self._backend.programs.get(run.argv[0])
            if program is None:
                machine.out.extend(f"{run.argv[0]}: not found\n".encode())
                return 127
            return program(machine)
        except Hang:
            problem = f"is not done after {run.seconds or 0:g} s and was stopped"
            raise TimedOut("env build", run.title, problem, seconds=run.seconds) from None
        finally:
            for path in mounted:
                del self.files[path]
            log.write(masked(bytes(machine.out), secrets.values()))

    def copy(self, copy: Copy) -> None:
        """See the port; owners and modes are not kept."""
        self._backend.told(f"copy {copy.target}")
        if os.path.isdir(copy.source):
            self.files.update({copy.target.rstrip("/") + path: data for path, data in _read(copy.source)})
            return
        name = os.path.basename(copy.source) if copy.target.endswith("/") else ""
        try:
            with open(copy.source, "rb") as file:
                self.files[copy.target + name] = file.read()
        except OSError as error:
            raise PhaseFailed("env build", copy.source, f"cannot be read ({error.strerror})") from error

    def configure(self, configure: Configure) -> None:
        """See the port."""
        self._backend.told("configure")
        self.config = merged(self.config, configure)

    def commit(self, tag: str, labels: Mapping[str, str]) -> Image:
        """See the port."""
        self._backend.told(f"commit {tag}")
        self.close()
        return self._backend.keep(tag, {**self._labels, **labels}, self.files, self.config)

    def close(self) -> None:
        """See the port."""
        self._backend.containers.pop(self.name, None)


def _machine(run: Run, files: dict[str, bytes], config: Configure, user: str) -> Machine:
    return Machine(files, run.argv, {**config.env, **run.env}, user, run.cwd or config.workdir or "/", run.stdin)


def _secret(name: str, secrets: Mapping[str, bytes]) -> bytes:
    if name not in secrets:
        raise ConfigInvalid("env build", f"secret {name}", "has no value", "Give it a value", key="secrets")
    return secrets[name]


def _read(folder: str) -> Iterator[tuple[str, bytes]]:
    for here, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(here, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    yield "/" + os.path.relpath(path, folder), file.read()


def _no_base(reference: str) -> ConfigInvalid:
    hint = "Name an image that is there, an OCI layout or archive, or the folder of a root file system"
    return ConfigInvalid("env build", reference, "base image is not found", hint, key="build.base.image")
