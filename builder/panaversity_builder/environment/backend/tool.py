"""A program that makes images, called with lists of arguments; what it refuses becomes an error of ours.

Knows how a refusal is told; does not know any program's words.
"""

import errno
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Protocol

from panaversity_builder.environment.backend import exec as programs
from panaversity_builder.environment.backend import relayed
from panaversity_builder.environment.backend.masking import Masker
from panaversity_fs.core.errors import ConfigInvalid, NoSpace, PanaversityError, PhaseFailed, TimedOut

OPERATION = "env build"
_FULL = os.strerror(errno.ENOSPC).lower().encode()


class Filter(Protocol):
    """Bytes in, bytes out, some held back until it is sure what they are."""

    def feed(self, data: bytes) -> bytes: ...
    def rest(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Tool:
    """One program: its name, the words every call begins with, the environment it gets on top of ours.

    ``operation`` is the command of ours it works for, as errors tell it.
    """

    name: str
    words: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)
    operation: str = OPERATION

    def call(self, *words: str, stdin: bytes = b"", subject: str = "", seconds: float | None = None) -> bytes:
        """What it answers. Raises ``TimedOut``, and with its own last words when it refuses what ``refusal`` says."""
        ended = self.ask(*words, stdin=stdin, seconds=seconds)
        if ended.status != 0:
            raise self.refusal(words, ended, subject)
        return ended.out

    def ask(self, *words: str, stdin: bytes = b"", seconds: float | None = None) -> programs.Ended:
        """The same, and its refusal is an answer. Raises ``ConfigInvalid`` when it cannot be started, ``TimedOut``."""
        environ = {**os.environ, **self.environ}
        try:
            return programs.call([*self.words, *words], stdin=stdin, environ=environ, seconds=seconds)
        except programs.Overtime:
            raise self._late(seconds) from None
        except OSError as error:
            raise self.missing(error) from error

    def run(
        self,
        words: Sequence[str],
        stdin: bytes,
        seconds: float | None,
        secrets: Mapping[str, bytes],
        log: IO[bytes],
        chatter: Filter | None = None,
    ) -> int:
        """Run a program in a container: its exit status; its output goes to the log with the secrets masked.

        ``chatter`` takes the tool's own words out of it. Raises ``TimedOut``.
        """
        masker = Masker(secrets.values())

        def hear(piece: bytes) -> None:
            log.write(masker.feed(chatter.feed(piece) if chatter else piece))
            log.flush()

        environ = {**os.environ, **self.environ}
        try:
            try:
                return relayed.run([*self.words, *words], hear, stdin=stdin, environ=environ, seconds=seconds)
            finally:
                log.write((masker.feed(chatter.rest()) if chatter else b"") + masker.rest())
                log.flush()
        except programs.Overtime:
            raise self._late(seconds) from None
        except OSError as error:
            raise self.missing(error) from error

    def _late(self, seconds: float | None) -> TimedOut:
        problem = f"is not done after {seconds or 0:g} s and was stopped"
        return TimedOut(self.operation, self.name, problem, "Give it more time", seconds=seconds)

    def refusal(self, words: Sequence[str], ended: programs.Ended, subject: str) -> PanaversityError:
        """The error for a command that ended with another status than 0: ``NoSpace``, while an image is made
        ``PhaseFailed``, else ``ConfigInvalid``."""
        said = (ended.errors or ended.out).decode("utf-8", "replace").strip()
        last = " ".join(said.splitlines()[-1:]).removeprefix("Error: ") or "it said nothing"
        subject = subject or self.name
        if _FULL in (ended.errors + ended.out).lower():
            return NoSpace(
                self.operation, subject, f"the disk is full ({last})", "Free some with `panaversity env prune`"
            )
        verb = next((word for word in words if not word.startswith("-")), "")
        problem = f"{self.name} {verb} ended with status {ended.status} ({last})"
        if self.operation == OPERATION:
            return PhaseFailed(self.operation, subject, problem, status=ended.status)
        hint = f"See whether {self.name} works by itself"
        return ConfigInvalid(self.operation, subject, problem, hint, key="env_backend", status=ended.status)

    def missing(self, error: OSError) -> PanaversityError:
        """The error for a program that cannot be started, or whose words cannot be kept: ``NoSpace``,
        ``ConfigInvalid``."""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = "Free some where logs and temporary files lie"
            return NoSpace(self.operation, self.name, f"the disk is full ({error.strerror})", hint)
        hint = f"Install {self.name}, or choose another program with PANAVERSITY_ENV_BACKEND"
        return ConfigInvalid("env", self.name, f"cannot be started ({error.strerror})", hint, key="env_backend")


def left_of(seconds: float | None) -> Callable[[], float | None]:
    """How much of these seconds is left, whenever it is asked; None is no limit."""
    end = None if seconds is None else time.monotonic() + seconds
    return lambda: None if end is None else max(0.0, end - time.monotonic())


def whole(path: str, sign: str) -> str:
    """The path, which a program will take apart at this sign. Raises ``ConfigInvalid`` for one that holds it."""
    if sign in path:
        problem = f"holds a {sign!r}, which is taken for a separator"
        raise ConfigInvalid("env", path, problem, "Rename it", key="volumes")
    return path
