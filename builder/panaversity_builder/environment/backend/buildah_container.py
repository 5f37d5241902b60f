"""A working container of buildah: running programs in it, copying into it, making an image of it.

Knows buildah's words for one container; does not know images, storage or phases.
"""

import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import IO

from panaversity_builder.environment.backend import relayed
from panaversity_builder.environment.backend.chatter import Chatter
from panaversity_builder.environment.backend.image_env import resolved
from panaversity_builder.environment.backend.port import Image
from panaversity_builder.environment.backend.scratch import Scratch
from panaversity_builder.environment.backend.secret_files import PLACE, SecretFolder
from panaversity_builder.environment.backend.staging import staged
from panaversity_builder.environment.backend.tool import Tool, whole
from panaversity_builder.environment.recipe import Configure, Copy, Run

ROOT = "0:0"
_RUN = ("run", "--isolation", "chroot", "--network", "host")


class BuildahContainer:
    """See the port. ``scratch`` goes with it."""

    def __init__(self, name: str, tool: Tool, scratch: Scratch) -> None:
        self.name, self._scratch = name, scratch
        self.tool = replace(tool, environ={"TMPDIR": scratch.folder})
        self._open = True

    def run(self, run: Run, secrets: Mapping[str, bytes], log: IO[bytes]) -> int:
        """See the port."""
        folder = SecretFolder() if run.secrets else None
        volumes = [(folder.path, PLACE, True)] if folder else []
        words = run_words(self.name, run, volumes, run.user or ROOT)
        try:
            with folder.filled(run.secrets, secrets) if folder else nullcontext():
                return self.tool.run(words, run.stdin, run.seconds, secrets, log, Chatter())
        finally:
            if folder:
                folder.remove()

    def copy(self, copy: Copy) -> None:
        """See the port."""
        plain = staged(copy, self._scratch.folder)
        words = ["copy", "--quiet"]
        if plain.owner is not None:
            words += ["--chown", plain.owner]
        self.tool.call(*words, self.name, plain.source, plain.target, subject=copy.source, seconds=copy.seconds)

    def configure(self, configure: Configure) -> None:
        """See the port."""
        words: list[str] = []
        for name, value in self._env(configure).items():
            words += ["--env", f"{name}={value.replace('$', '$$')}"]  # buildah expands variables, and $$ to $
        if configure.workdir is not None:
            words += ["--workingdir", configure.workdir]
        if configure.user is not None:
            words += ["--user", configure.user]
        if configure.command is not None:
            words += ["--cmd", shlex.join(configure.command)]
        if words:
            self.tool.call("config", *words, self.name)

    def _env(self, configure: Configure) -> Mapping[str, str]:
        if not configure.around:
            return configure.env
        body = json.loads(self.tool.call("inspect", "--type", "container", self.name))
        return resolved(configure, body["OCIv1"].get("config", {}).get("Env") or ())

    def commit(self, tag: str, labels: Mapping[str, str]) -> Image:
        """See the port."""
        words = [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]
        if words:
            self.tool.call("config", *words, self.name)
        answer = self.tool.call("commit", "--quiet", "--rm", self.name, tag, subject=tag)
        self._scratch.remove()
        self._open = False
        return Image(answer.decode().split()[-1], (tag,), dict(labels))

    def close(self) -> None:
        """See the port."""
        if self._open:
            self._open = False
            self.tool.ask("rm", self.name)
        self._scratch.remove()


def attached(container: BuildahContainer, run: Run, volumes: Sequence[tuple[str, str, bool]], interactive: bool) -> int:
    """Run a program with our own streams; a terminal in the container where there is one here."""
    words = run_words(container.name, run, volumes, run.user)
    if interactive and os.isatty(0) and os.isatty(1):
        words.insert(1, "--terminal")
    chatter = Chatter()
    try:
        return relayed.attach([*container.tool.words, *words], lambda piece: _tell(chatter.feed(piece)))
    finally:
        _tell(chatter.rest())


def _tell(data: bytes) -> None:
    sys.stderr.buffer.write(data)
    sys.stderr.buffer.flush()


def run_words(name: str, run: Run, volumes: Sequence[tuple[str, str, bool]], user: str | None) -> list[str]:
    """The arguments of ``buildah run``. Raises ``ConfigInvalid`` for a path that cannot be said in them."""
    words = [*_RUN]
    if user is not None:
        words += ["--user", user]
    if run.cwd is not None:
        words += ["--workingdir", run.cwd]
    for variable, value in run.env.items():
        words += ["--env", f"{variable}={value}"]
    for here, there, read_only in volumes:
        words += ["--volume", ":".join((whole(here, ":"), whole(there, ":"), "ro" if read_only else "rw"))]
    return [*words, name, "--", *run.argv]
