"""The simulator in one process, its caller in another: a client can be killed while the server lives on.

Knows the seam's calls and a pipe; does not know what is being tested. What streams over the seam crosses it whole.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from typing import Any

from panaversity_builder.client import (
    FROM_NOTHING,
    NO_WAITS,
    BlobSource,
    BuildPlan,
    ChangesetAnswer,
    Chunks,
    LastWritten,
    PackMember,
    PlanQuestion,
    Traffic,
    attempts,
)
from panaversity_fs.core.audit import Checkpoint
from panaversity_fs.core.changes import Changeset
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import PanaversityError
from support.simulator import Simulator


class Piped:
    """The seam ``Server`` at the client's end of the pipe."""

    def __init__(self, pipe: "Connection[Any, Any]") -> None:
        self._pipe = pipe
        self.traffic = Traffic()

    def _ask(self, name: str, *arguments: Any) -> Any:
        self.traffic.requests += 1
        self._pipe.send((name, arguments))
        answer, fault = self._pipe.recv()
        if fault is not None:
            kind, words, details = fault
            raise kind(*words, **details)
        return answer

    def attempts(self) -> Iterable[AbstractContextManager[object]]:
        return attempts("http://piped", NO_WAITS)

    def plan_build(self, book_id: str, asked: PlanQuestion = FROM_NOTHING) -> BuildPlan:
        plan: BuildPlan = self._ask("plan_build", book_id, asked)
        return plan

    def manifest_text(self, book_id: str, manifest: Digest) -> bytes:
        text: bytes = self._ask("manifest_text", book_id, manifest)
        return text

    def manifest_metadata(self, book_id: str, manifest: Digest) -> Mapping[str, LastWritten]:
        written: Mapping[str, LastWritten] = self._ask("manifest_metadata", book_id, manifest)
        return written

    def fetch_pack(self, book_id: str, manifest: Digest, digests: Sequence[Digest]) -> Iterator[PackMember]:
        for digest, data in self._ask("fetch_pack", book_id, manifest, list(digests)):
            yield digest, len(data), iter([data])

    def fetch_blob(self, book_id: str, manifest: Digest, digest: Digest, start: int, size: int) -> Iterator[bytes]:
        yield self._ask("fetch_blob", book_id, manifest, digest, start, size)

    def put_blob(self, book_id: str, digest: Digest, size: int, chunks: Chunks) -> None:
        self._ask("put_blob", book_id, digest, size, b"".join(chunks()))

    def send_changeset(
        self,
        book_id: str,
        changeset: Changeset,
        blobs: BlobSource,
        idempotency_key: str,
        seen: Checkpoint | None = None,
    ) -> ChangesetAnswer:
        bodies = [(digest, size, b"".join(chunks())) for digest, size, chunks in blobs()]
        answer: ChangesetAnswer = self._ask("send_changeset", book_id, changeset, bodies, idempotency_key)
        return answer

    def call(self, tool: str, arguments: Mapping[str, object]) -> dict[str, object]:
        answer: dict[str, object] = self._ask("call", tool, dict(arguments))
        return answer


def serve(pipe: "Connection[Any, Any]", simulator: Simulator) -> None:
    """Answer until the other end is gone."""
    while True:
        try:
            name, arguments = pipe.recv()
        except (EOFError, ConnectionResetError):
            return
        try:
            answer, fault = _answer(simulator, name, arguments), None
        except PanaversityError as error:
            words = (error.operation, error.subject, error.problem, error.hint)
            answer, fault = None, (type(error), words, error.details)
        try:
            pipe.send((answer, fault))
        except (BrokenPipeError, ConnectionResetError):
            return


def _answer(simulator: Simulator, name: str, arguments: tuple[Any, ...]) -> Any:
    if name == "fetch_pack":
        return [(digest, b"".join(chunks)) for digest, _, chunks in simulator.fetch_pack(*arguments)]
    if name == "fetch_blob":
        return b"".join(simulator.fetch_blob(*arguments))
    if name == "put_blob":
        book_id, digest, size, body = arguments
        return simulator.put_blob(book_id, digest, size, lambda: iter([body]))
    if name == "send_changeset":
        book_id, changeset, bodies, key = arguments
        blobs = [(digest, size, lambda body=body: iter([body])) for digest, size, body in bodies]
        return simulator.send_changeset(book_id, changeset, lambda: blobs, key)
    return getattr(simulator, name)(*arguments)
