"""A working container of docker or podman: a shell that sleeps, beside which programs run.

Knows their words for one container; does not know images, storage or phases.
"""

import json
import os
import posixpath
from collections.abc import Mapping, Sequence
from typing import IO, Any

from panaversity_builder.environment.backend.image_env import merged
from panaversity_builder.environment.backend.port import Image
from panaversity_builder.environment.backend.scratch import Scratch
from panaversity_builder.environment.backend.secret_files import PLACE, SecretFolder
from panaversity_builder.environment.backend.staging import below, staged
from panaversity_builder.environment.backend.tool import Tool, left_of, whole
from panaversity_builder.environment.recipe import Configure, Copy, Run
from panaversity_fs.core.errors import TimedOut

ROOT = "0:0"
SLEEP = "while :; do sleep 3600; done"
NO_COMMAND = ("/bin/sh",)
"""What an image starts that has neither entry point nor command: no engine makes a container with nothing to start."""


class CliContainer:
    """See the port. ``image`` is the id it begins from, ``config`` what that says, ``first`` what is added at once."""

    def __init__(
        self, name: str, tool: Tool, scratch: Scratch, image: str, config: Mapping[str, Any], first: Configure
    ) -> None:
        self.name, self._tool, self._scratch = name, tool, scratch
        self._image, self._config = image, config
        self._given = merged(Configure(env=_variables(config)), first)
        self._secrets = SecretFolder()
        self._open = True

    def start(self) -> None:
        """Let it run. Raises ``PhaseFailed``, for one without a shell too."""
        secrets = f"{self._secrets.path}:{PLACE}:ro"
        words = ("run", "--detach", "--name", self.name, "--volume", secrets, "--entrypoint", "/bin/sh")
        self._tool.call(*words, self._image, "-c", SLEEP, subject=self.name)

    def run(self, run: Run, secrets: Mapping[str, bytes], log: IO[bytes]) -> int:
        """See the port. One that takes too long ends with its container."""
        env = {**self._given.env, **run.env}
        words = ["exec", *(["--interactive"] if run.stdin else []), "--user", run.user or ROOT]
        if workdir := run.cwd or self._given.workdir or self._config.get("WorkingDir"):
            words += ["--workdir", str(workdir)]
        words += [*_options("--env", env), self.name, *run.argv]
        try:
            with self._secrets.filled(run.secrets, secrets):
                return self._tool.run(words, run.stdin, run.seconds, secrets, log)
        except (TimedOut, KeyboardInterrupt):
            self._tool.ask("rm", "--force", "--volumes", self.name)
            raise

    def copy(self, copy: Copy) -> None:
        """See the port. ``mkdir``, ``test``, and for an owner ``xargs`` and ``chown``, are the image's."""
        left, is_folder = left_of(copy.seconds), os.path.isdir(copy.source)
        plain = staged(copy, self._scratch.folder, links=False)
        inside = ("exec", "--user", ROOT)
        owned = below(copy.source, plain.target)
        if not is_folder or self._tool.ask(*inside, self.name, "test", "-d", plain.target).status != 0:
            owned.append(plain.target)
        folder = plain.target if is_folder else posixpath.dirname(plain.target)
        self._tool.call(*inside, self.name, "mkdir", "-p", "--", folder, subject=copy.target)
        source = f"{plain.source}/." if is_folder else plain.source
        self._tool.call("cp", source, f"{self.name}:{plain.target}", subject=copy.source, seconds=left())
        if plain.owner is not None:
            words = (*inside, "--interactive", self.name, "xargs", "-0", "chown", "-h", plain.owner, "--")
            names = "\0".join(owned).encode("utf-8", "surrogateescape")
            self._tool.call(*words, stdin=names, subject=copy.target, seconds=left())

    def configure(self, configure: Configure) -> None:
        """See the port."""
        self._given = merged(self._given, configure)

    def commit(self, tag: str, labels: Mapping[str, str]) -> Image:
        """See the port: the files, then what the image says, then the tag."""
        self._tool.call("kill", self.name)
        files = self._tool.call("commit", self.name, subject=tag).decode().split()[-1]
        entrypoint = self._config.get("Entrypoint") or []
        command = self._given.command or self._config.get("Cmd") or ()
        told = f"{self.name}-told"
        try:
            words = ("create", "--name", told, "--entrypoint", "", *self._told(labels), files)
            self._tool.call(*words, *(command or NO_COMMAND))
            starts = _starts(entrypoint, command)
            number = self._tool.call("commit", *starts, told, tag, subject=tag).decode().split()[-1]
        finally:
            self._tool.ask("rm", "--force", "--volumes", told)
        self.close()
        return Image(number, (tag,), dict(labels))

    def _told(self, labels: Mapping[str, str]) -> list[str]:
        words = [*_options("--env", self._given.env), *_options("--label", labels)]
        if self._given.workdir is not None:
            words += ["--workdir", self._given.workdir]
        if self._given.user is not None:
            words += ["--user", self._given.user]
        return words

    def close(self) -> None:
        """See the port."""
        if self._open:
            self._open = False
            self._tool.ask("rm", "--force", "--volumes", self.name)
        self._secrets.remove()
        self._scratch.remove()


def _starts(entrypoint: Sequence[str], command: Sequence[str]) -> list[str]:
    """The options of ``commit`` that say the parent's entry point again, which our sleeping shell replaced.

    As JSON, which no engine takes apart; with the command behind it, which an entry point takes away. Neither can be
    emptied so: docker then takes what the container has, which therefore began without an entry point.
    """
    if not entrypoint:
        return []
    words = ["--change", f"ENTRYPOINT {json.dumps(list(entrypoint))}"]
    return [*words, "--change", f"CMD {json.dumps(list(command))}"] if command else words


def execution_words(
    name: str, image: str, run: Run, volumes: Sequence[tuple[str, str, bool]], *, terminal: bool
) -> list[str]:
    """The arguments of ``run`` for a throw-away container on our own streams."""
    words = ["run", "--rm", "--name", name, "--interactive", *(["--tty"] if terminal else [])]
    if run.user is not None:
        words += ["--user", run.user]
    if run.cwd is not None:
        words += ["--workdir", run.cwd]
    words += _options("--env", run.env)
    for here, there, read_only in volumes:
        words += ["--mount", _mount(here, there, read_only)]
    return [*words, "--entrypoint", run.argv[0], image, *run.argv[1:]]


def _mount(here: str, there: str, read_only: bool) -> str:
    return f"type=bind,source={whole(here, ',')},target={whole(there, ',')}{',readonly' if read_only else ''}"


def _options(word: str, values: Mapping[str, str]) -> list[str]:
    return [part for name, value in values.items() for part in (word, f"{name}={value}")]


def _variables(config: Mapping[str, Any]) -> dict[str, str]:
    return dict(line.split("=", 1) for line in config.get("Env") or () if "=" in line)
