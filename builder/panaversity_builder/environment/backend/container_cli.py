"""Images by the command lines of ``docker`` and ``podman``, which say nearly the same.

A working container runs a shell that sleeps; programs are executed in it. Its image is made in two steps, so that no
value has to be written in a Dockerfile's language: the files first, then what the image says of itself as options of a
container that is never started; but for an entry point, since no option takes one of several words. Knows their words;
does not know phases, keys or configuration.
"""

import json
import os
from collections.abc import Callable, Sequence
from typing import Any

from panaversity_builder.environment.backend import exec as programs
from panaversity_builder.environment.backend import relayed
from panaversity_builder.environment.backend.cli_container import CliContainer, execution_words
from panaversity_builder.environment.backend.digests import oci_digest, rootfs_digest
from panaversity_builder.environment.backend.image_env import DEFAULT_PATH
from panaversity_builder.environment.backend.naming import LOCAL, is_abandoned, working_name
from panaversity_builder.environment.backend.port import Image
from panaversity_builder.environment.backend.scratch import Scratch, sweep_scratch
from panaversity_builder.environment.backend.secret_files import sweep_secret_folders
from panaversity_builder.environment.backend.tool import OPERATION, Tool, left_of
from panaversity_builder.environment.recipe import BaseImage, Configure, Run
from panaversity_fs.core.errors import ConfigInvalid, OutputLocked, PanaversityError, PhaseFailed

_TAR = ("--numeric-owner", "--xattrs", "--one-file-system", "--create")


class ContainerCli:
    """``name`` is the program, ``work`` a folder for what is needed meanwhile.

    ``operation`` is the command of ours that uses it, as errors tell it.
    """

    def __init__(self, name: str, work: str, operation: str = OPERATION) -> None:
        self.name, self._work, self._operation = name, work, operation
        self._tool = Tool(name, (name,), operation=operation)

    def require(self) -> None:
        """See the port: there is a program, and an engine that answers it."""
        ended = self._tool.ask("version", "--format", "json")
        if ended.status != 0:
            said = " ".join(ended.errors.decode("utf-8", "replace").split())
            hint = f"Start the engine, or see what `{self.name} version` says"
            raise ConfigInvalid("env", self.name, f"does not work here ({said})", hint, key="env_backend")

    def resolve(self, kind: str, reference: str) -> str:
        """See the port; a registry is asked, and what it has now is kept here."""
        if kind == "rootfs":
            return rootfs_digest(reference)
        if kind == "oci":
            return oci_digest(reference)
        if "@sha256:" in reference:
            return reference.rpartition("@sha256:")[2]
        pulled = self._tool.ask("pull", "--quiet", reference)
        found = self._inspected(reference)
        if found is None:
            raise self._no_base(reference, pulled)
        named = [str(one).rpartition("@")[2] for one in found.get("RepoDigests") or ()]
        return (named or [str(found["Id"])])[0].removeprefix("sha256:")

    def begin(self, name: str, base: BaseImage, seconds: float | None = None) -> CliContainer:
        """See the port."""
        scratch = Scratch(self._work, name)
        try:
            first = Configure(env={"PATH": DEFAULT_PATH}) if base.kind == "rootfs" else Configure()
            return self._container(name, self._base(base, scratch, left_of(seconds)), scratch, first)
        except BaseException:
            scratch.remove()
            raise

    def _base(self, base: BaseImage, scratch: Scratch, left: Callable[[], float | None]) -> str:
        """The id or the name of the base image."""
        if base.kind == "registry":
            if self._inspected(base.reference) is None:
                pulled = self._tool.ask("pull", "--quiet", base.reference, seconds=left())
                if pulled.status != 0:
                    raise self._no_base(base.reference, pulled)
            return base.reference
        if not os.path.exists(base.reference):
            raise ConfigInvalid(self._operation, base.reference, "is not there", key="build.base.image")
        archive = os.path.join(scratch.folder, "base.tar")
        if os.path.isdir(base.reference):
            tar = Tool("tar", ("tar",), operation=self._operation)
            tar.call(*_TAR, "--file", archive, "--directory", base.reference, ".", seconds=left())
        else:
            os.symlink(os.path.abspath(base.reference), archive)
        words = ("import", archive) if base.kind == "rootfs" else ("load", "--input", archive)
        return self._tool.call(*words, subject=base.reference, seconds=left()).decode().split()[-1]

    def follow(self, name: str, image: Image) -> CliContainer:
        """See the port."""
        scratch = Scratch(self._work, name)
        try:
            return self._container(name, image.id, scratch, Configure())
        except BaseException:
            scratch.remove()
            raise

    def _container(self, name: str, image: str, scratch: Scratch, first: Configure) -> CliContainer:
        found = self._inspected(image)
        if found is None:
            raise PhaseFailed(self._operation, image, "there is no such image")
        container = CliContainer(name, self._tool, scratch, str(found["Id"]), found.get("Config") or {}, first)
        try:
            container.start()
        except BaseException:
            container.close()
            raise
        return container

    def _inspected(self, reference: str) -> dict[str, Any] | None:
        ended = self._tool.ask("image", "inspect", reference)
        return json.loads(ended.out)[0] if ended.status == 0 else None

    def images(self, prefix: str) -> Sequence[Image]:
        """See the port."""
        numbers = self._tool.call("image", "ls", "--no-trunc", "--format", "{{.ID}}|{{.Repository}}:{{.Tag}}").decode()
        pairs = [line.split("|", 1) for line in numbers.splitlines() if "|" in line]
        wanted = list(dict.fromkeys(number for number, tag in pairs if tag.removeprefix(LOCAL).startswith(prefix)))
        if not wanted:
            return []
        return [_image(one, prefix) for one in json.loads(self._tool.call("image", "inspect", *wanted))]

    def tag(self, image: Image, tag: str) -> None:
        """See the port."""
        self._tool.call("tag", image.id, tag, subject=tag)

    def untag(self, tag: str) -> None:
        """See the port. Raises ``OutputLocked`` while a container uses the image."""
        ended = self._tool.ask("rmi", tag)
        if ended.status == 0:
            return
        if self._tool.ask("ps", "--all", "--quiet", "--filter", f"ancestor={tag}").out.strip():
            raise OutputLocked(self._operation, tag, "is used by a container", "Wait until that has ended")
        raise self._tool.refusal(("rmi",), ended, tag)

    def sweep(self, prefix: str) -> int:
        """See the port; what a killed process left in memory and on disk goes as well."""
        names = self._tool.call("ps", "--all", "--format", "{{.Names}}").decode().split()
        gone = [name for name in names if name.startswith(prefix) and is_abandoned(name)]
        for name in gone:
            self._tool.call("rm", "--force", "--volumes", name, subject=name)
        sweep_secret_folders()
        sweep_scratch(self._work)
        return len(gone)

    def execute(self, image: Image, run: Run, volumes: Sequence[tuple[str, str, bool]], interactive: bool) -> int:
        """See the port."""
        name = working_name("panaversity-run")
        words = execution_words(name, image.id, run, volumes, terminal=interactive and os.isatty(0) and os.isatty(1))
        try:
            return relayed.attach([*self._tool.words, *words])
        except OSError as error:
            raise self._tool.missing(error) from error
        finally:
            self._tool.ask("rm", "--force", "--volumes", name)

    def export(self, image: Image, file: str) -> None:
        """See the port. docker writes OCI archives from version 25 on."""
        partial = f"{os.path.abspath(file)}.{working_name('partial')}"
        kind = ("--format", "oci-archive") if self.name == "podman" else ()
        try:
            self._tool.call("save", *kind, "--output", partial, *_finals(image), subject=file)
            os.rename(partial, file)
        except OSError as error:
            raise ConfigInvalid(self._operation, file, f"cannot be written ({error.strerror})", key="file") from error
        finally:
            if os.path.lexists(partial):
                os.unlink(partial)

    def _no_base(self, reference: str, ended: programs.Ended) -> PanaversityError:
        said = " ".join(ended.errors.decode("utf-8", "replace").split())
        hint = "Name an image that is there, an OCI layout or archive, or the folder of a root file system"
        problem = f"base image is not found ({said})"
        return ConfigInvalid(self._operation, reference, problem, hint, key="build.base.image")


def _image(found: dict[str, Any], prefix: str) -> Image:
    tags = tuple(str(tag).removeprefix(LOCAL) for tag in found.get("RepoTags") or ())
    labels = (found.get("Config") or {}).get("Labels") or {}
    ours = tuple(tag for tag in tags if tag.startswith(prefix))
    created = f"{str(found.get('Created', ''))[:19]}+00:00"
    return Image(str(found["Id"]), ours, labels, int(found.get("Size") or 0), created)


def _finals(image: Image) -> tuple[str, ...]:
    """What names the image in an archive."""
    return tuple(tag for tag in image.tags if ":final-" in tag)[:1] or image.tags[:1] or (image.id,)
