"""The port of whatever makes images: buildah, docker, podman, or a dictionary for tests.

An adapter knows one program. It does not know phases, keys or configuration. Its contract, kept by one suite for all
adapters (``tests/contract/test_image_backend.py``):

* a working container begins from an image and never changes it; ``commit`` makes a new image and ends the container;
* a tag is given only to a finished image: no half-made image ever has one;
* whatever happens, ``close`` leaves no working container, mount or process behind, and may be called again;
* containers of a process that was killed are found by their name's prefix and removed by ``sweep``;
* labels come back exactly as they were given, whatever characters they hold; an image has those of the one it was made
  of too, as far as it says nothing else under their names;
* arguments are passed as lists, never through a shell of this machine; a program's exit status decides, not its output;
* a program that takes too long is stopped, with all it started;
* a secret is a file only while a program runs, on a medium that is in no layer; it is in no label, history or argument.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Protocol

from panaversity_builder.environment.recipe import BaseImage, Configure, Copy, Run


@dataclass(frozen=True, slots=True)
class Image:
    """One image as the backend lists it. ``id`` is the backend's own and never reused; ``size`` in bytes, whole image;
    ``created`` ISO 8601, UTC."""

    id: str
    tags: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    size: int = 0
    created: str = ""


class Container(Protocol):
    """A working container: an image being made."""

    def run(self, run: Run, secrets: Mapping[str, bytes], log: IO[bytes]) -> int:
        """Run it to its end; its output goes to ``log`` with the secrets' values masked. Answers its exit status.

        Raises ``TimedOut`` when ``run.seconds`` are over, after the program and all it started have ended.
        """

    def copy(self, copy: Copy) -> None:
        """Put files into it. Symbolic links of a folder stay links; owners are looked up in the container. Raises
        ``TimedOut`` when ``copy.seconds`` are over."""

    def configure(self, configure: Configure) -> None:
        """Set what the image will say of itself; what is not named stays as the parent has it."""

    def commit(self, tag: str, labels: Mapping[str, str]) -> Image:
        """Make the image, then give it the tag (taken from whatever image had it); the container is gone afterwards."""

    def close(self) -> None:
        """Forget the container; fine after ``commit`` and when called twice."""


class Backend(Protocol):
    """One program that makes images."""

    name: str

    def require(self) -> None:
        """Raise ``ConfigInvalid`` (exit 15) when the program is not there or cannot work here, with what would help."""

    def resolve(self, kind: str, reference: str) -> str:
        """The digest of a base image: what ``BaseImage.digest`` holds. Raises ``ConfigInvalid`` when there is none."""

    def begin(self, name: str, base: BaseImage, seconds: float | None = None) -> Container:
        """A working container called ``name`` from a base image. Raises ``ConfigInvalid`` where it is not found, and
        ``TimedOut`` when fetching or filling it takes longer than ``seconds``."""

    def follow(self, name: str, image: Image) -> Container:
        """A working container called ``name`` from an image made before."""

    def images(self, prefix: str) -> Sequence[Image]:
        """All images with a tag that begins so (``habitat-docs:``), labels included."""

    def tag(self, image: Image, tag: str) -> None:
        """Give the image one more tag."""

    def untag(self, tag: str) -> None:
        """Take a tag away; an image that has none left is removed, and its layers that no other image uses."""

    def sweep(self, prefix: str) -> int:
        """Remove working containers whose name begins so and that nobody works in; answers how many."""

    def execute(self, image: Image, run: Run, volumes: Sequence[tuple[str, str, bool]], interactive: bool) -> int:
        """Run a program in a throw-away container from the image, with this process's own stdin, stdout and stderr.

        ``volumes`` are (path here, path there, read-only); user and folder None are the image's own. Answers the exit
        status; leaves no container behind.
        """

    def export(self, image: Image, file: str) -> None:
        """Write the image as an OCI archive; a broken attempt leaves no file of that name."""
