"""Images by ``buildah`` 1.28 or newer: no daemon, as root, chroot isolation (LIBRARY-NOTES 15).

Every command gets namespaces of its own (``exec.APART``), so whatever a phase starts ends with it, and mounts are seen
by nobody else. Knows buildah's words; does not know phases, keys or configuration.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from panaversity_builder.environment.backend import exec as programs
from panaversity_builder.environment.backend.buildah_container import BuildahContainer, attached
from panaversity_builder.environment.backend.buildah_images import rows, tagged_images
from panaversity_builder.environment.backend.digests import oci_digest, rootfs_digest
from panaversity_builder.environment.backend.image_env import DEFAULT_PATH
from panaversity_builder.environment.backend.naming import LOCAL, is_abandoned, working_name
from panaversity_builder.environment.backend.port import Image
from panaversity_builder.environment.backend.scratch import Scratch, sweep_scratch
from panaversity_builder.environment.backend.secret_files import sweep_secret_folders
from panaversity_builder.environment.backend.staging import plain_link
from panaversity_builder.environment.backend.tool import OPERATION, Tool, left_of
from panaversity_builder.environment.recipe import BaseImage, Run
from panaversity_fs.core.errors import ConfigInvalid, NoSpace, OutputLocked, PanaversityError

DRIVERS = ("overlay", "vfs")
_FILL = 'set -e; from=$1; name=$2; shift 2; to=$("$@" mount "$name"); cp -a --one-file-system -- "$from/." "$to/"'
"""Fills an empty container: buildah's ``copy`` would give every file to root and forget what else ``cp -a`` keeps."""


class Buildah:
    """``storage`` is the folder that holds images (None: buildah's own), ``work`` one for what is needed meanwhile.

    ``operation`` is the command of ours that uses it, as errors tell it.
    """

    name = "buildah"

    def __init__(self, storage: str | None, work: str, operation: str = OPERATION) -> None:
        self._storage, self._work, self._operation = storage, work, operation
        self._known: Tool | None = None

    @property
    def _tool(self) -> Tool:
        """buildah with its storage, opened on first use."""
        if self._known is None:
            self._known = Tool(self.name, (*programs.APART, *self._words()), operation=self._operation)
        return self._known

    def _words(self) -> tuple[str, ...]:
        if self._storage is None:
            return (self.name,)
        images, running = os.path.join(self._storage, "images"), os.path.join(self._storage, "run")
        plain = (self.name, "--root", images, "--runroot", running, "--storage-driver")
        for driver in DRIVERS:
            if os.path.isdir(os.path.join(images, f"{driver}-images")):
                return (*plain, driver)
        works = Tool(self.name, (*programs.APART, *plain, DRIVERS[0])).ask("images", "--quiet").status == 0
        return (*plain, DRIVERS[0] if works else DRIVERS[1])

    def require(self) -> None:
        """See the port."""
        if sys.platform != "linux" or os.geteuid() != 0:
            problem = "works on Linux as root only"
            raise ConfigInvalid("env", self.name, problem, "Run as root, or use docker or podman", key="env_backend")
        if shutil.which(self.name) is None:
            hint = "Install it, or choose another program with PANAVERSITY_ENV_BACKEND"
            raise ConfigInvalid("env", self.name, "is not installed", hint, key="env_backend")
        try:
            ended = self._tool.ask("images", "--quiet")
            apart = ended.status == 0 or programs.call([*programs.APART, "true"]).status == 0
        except (OSError, ConfigInvalid):  # setpriv or unshare is not there
            apart = False
        if not apart:
            hint = "Install util-linux; inside a container, run that with --privileged"
            raise ConfigInvalid("env", self.name, "may not make namespaces here", hint, key="env_backend")
        if ended.status != 0:
            raise self._tool.refusal(("images",), ended, self._storage or self.name)

    def resolve(self, kind: str, reference: str) -> str:
        """See the port; a registry is asked, and what it has now is kept here."""
        if kind == "rootfs":
            return rootfs_digest(reference)
        if kind == "oci":
            return oci_digest(reference)
        if "@sha256:" in reference:
            return reference.rpartition("@sha256:")[2]
        ended = self._tool.ask("pull", "--quiet", "--policy", "always", "--", reference)
        found = self._tool.ask("inspect", "--type", "image", "--", reference)
        if found.status != 0:
            raise self._no_base(reference, ended)
        return str(json.loads(found.out)["FromImageDigest"]).removeprefix("sha256:")

    def begin(self, name: str, base: BaseImage, seconds: float | None = None) -> BuildahContainer:
        """See the port."""
        scratch = Scratch(self._work, name)
        try:
            return self._begin(name, base, scratch, left_of(seconds))
        except BaseException:
            self._tool.ask("rm", name)
            scratch.remove()
            raise

    def _begin(
        self, name: str, base: BaseImage, scratch: Scratch, left: Callable[[], float | None]
    ) -> BuildahContainer:
        if base.kind == "rootfs":
            if not os.path.isdir(base.reference):
                raise ConfigInvalid(self._operation, base.reference, "is not there", key="build.base.image")
            self._tool.call("from", "--name", name, "scratch")
            self._fill(name, os.path.abspath(base.reference), left())
            self._tool.call("config", "--env", f"PATH={DEFAULT_PATH}", name)
            return BuildahContainer(name, self._tool, scratch)
        source = base.reference
        if base.kind == "oci":
            kind = "oci" if os.path.isdir(base.reference) else "oci-archive"
            source = f"{kind}:{plain_link(base.reference, scratch.folder)}"
        policy = "--pull-never" if base.kind == "registry" else "--pull"
        ended = self._tool.ask("from", "--quiet", policy, "--name", name, source, seconds=left())
        if ended.status != 0 and base.kind == "registry":
            ended = self._tool.ask("from", "--quiet", "--pull", "--name", name, source, seconds=left())
        if ended.status != 0:
            raise self._no_base(base.reference, ended)
        return BuildahContainer(name, self._tool, scratch)

    def _fill(self, name: str, folder: str, seconds: float | None) -> None:
        words = self._tool.words[len(programs.APART) :]
        filling = replace(self._tool, name="cp", words=(*programs.APART, "sh"))
        filling.call("-c", _FILL, "sh", folder, name, *words, subject=folder, seconds=seconds)

    def follow(self, name: str, image: Image) -> BuildahContainer:
        """See the port."""
        scratch = Scratch(self._work, name)
        try:
            self._tool.call("from", "--quiet", "--pull-never", "--name", name, image.id, subject=name)
        except BaseException:
            self._tool.ask("rm", name)
            scratch.remove()
            raise
        return BuildahContainer(name, self._tool, scratch)

    def images(self, prefix: str) -> Sequence[Image]:
        """See the port."""
        return tagged_images(self._tool, prefix)

    def tag(self, image: Image, tag: str) -> None:
        """See the port."""
        self._tool.call("tag", image.id, tag, subject=tag)

    def untag(self, tag: str) -> None:
        """See the port. Raises ``OutputLocked`` while a container uses the image."""
        ended = self._tool.ask("rmi", LOCAL + tag)
        if ended.status == 0:
            return
        using = {str(row["imageid"]) for row in rows(self._tool, "containers")}
        if using & {one.id for one in self.images(tag) if tag in one.tags}:
            raise OutputLocked(self._operation, tag, "is used by a container", "Wait until that has ended")
        raise self._tool.refusal(("rmi",), ended, tag)

    def sweep(self, prefix: str) -> int:
        """See the port; what a killed process left in memory and on disk goes as well."""
        names = [str(row["containername"]) for row in rows(self._tool, "containers")]
        gone = [name for name in names if name.startswith(prefix) and is_abandoned(name)]
        for name in gone:
            self._tool.call("rm", name, subject=name)
        sweep_secret_folders()
        sweep_scratch(self._work)
        return len(gone)

    def execute(self, image: Image, run: Run, volumes: Sequence[tuple[str, str, bool]], interactive: bool) -> int:
        """See the port."""
        container = self.follow(working_name("panaversity-run"), image)
        try:
            return attached(container, run, volumes, interactive)
        finally:
            container.close()

    def export(self, image: Image, file: str) -> None:
        """See the port."""
        folder, name = os.path.split(os.path.abspath(file))
        scratch = Scratch(self._work, working_name("panaversity-export"))
        partial = f".{scratch.name}.partial"
        try:
            target = os.path.join(plain_link(folder, scratch.folder), partial)
            self._tool.call("push", "--quiet", image.id, f"oci-archive:{target}:{_reference(image)}", subject=file)
            os.rename(os.path.join(folder, partial), os.path.join(folder, name))
        except OSError as error:
            raise ConfigInvalid(self._operation, file, f"cannot be written ({error.strerror})", key="file") from error
        finally:
            scratch.remove()
            if os.path.lexists(os.path.join(folder, partial)):
                os.unlink(os.path.join(folder, partial))

    def _no_base(self, reference: str, ended: programs.Ended) -> PanaversityError:
        refused = self._tool.refusal(("from",), ended, reference)
        if isinstance(refused, NoSpace):
            return refused
        said = " ".join(ended.errors.decode("utf-8", "replace").split()).removeprefix("Error: ")
        hint = "Name an image that is there, an OCI layout or archive, or the folder of a root file system"
        problem = f"base image is not found ({said})"
        return ConfigInvalid(self._operation, reference, problem, hint, key="build.base.image")


def _reference(image: Image) -> str:
    """The name an archive gives its image: its most telling tag."""
    finals = [tag for tag in image.tags if ":final-" in tag]
    return LOCAL + (finals or sorted(image.tags) or ["habitat:exported"])[0]
