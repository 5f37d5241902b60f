"""Every error that crosses a door of this project, with its code, its exit status and its wire form.

This module knows the words of failure; it does not know who shows them, nor how they travel.

    PanaversityError
    ├── RequestError                the caller can put it right
    │   ├── InvalidArgument           INVALID_ARGUMENT   400   exit 2
    │   ├── InvalidPath               INVALID_PATH       400   exit 12
    │   ├── SchemaViolation           SCHEMA_VIOLATION   400   exit 12
    │   ├── NotFound                  NOT_FOUND          404   exit 2    (11 where an expected hash was given)
    │   ├── BookGone                  BOOK_GONE          410   exit 2
    │   ├── HashRequired              HASH_REQUIRED      409   exit 11
    │   ├── Conflict                  CONFLICT           409   exit 11
    │   ├── TooLarge                  TOO_LARGE          413   exit 12
    │   └── QuotaExceeded             QUOTA_EXCEEDED     413   exit 12
    ├── IdentityError               who is calling
    │   ├── AgentRequired             AGENT_REQUIRED     400   exit 16
    │   ├── Unauthenticated           UNAUTHENTICATED    401   exit 16
    │   └── Forbidden                 FORBIDDEN          403   exit 16
    ├── IntegrityError              never go on
    │   ├── HashMismatch              HASH_MISMATCH      400   exit 13
    │   └── ChainBroken               CHAIN_BROKEN       500   exit 13
    ├── UnavailableError            may be tried again
    │   ├── Unavailable               UNAVAILABLE        503   exit 10
    │   ├── BlobsMissing              BLOBS_MISSING      409   exit 10
    │   ├── RateLimited               RATE_LIMITED       429   exit 10
    │   ├── TimedOut                  TIMEOUT            503   exit 10
    │   ├── ReadOnly                  READ_ONLY          503   exit 10   (not retryable)
    │   └── StorageFull               STORAGE_FULL       507   exit 10   (not retryable)
    ├── BuildError                  the builder's own
    │   ├── Differences               DIFFERENCES         –    exit 1
    │   ├── LocalEdits                LOCAL_EDITS         –    exit 3
    │   ├── NoSpace                   NO_SPACE            –    exit 4
    │   ├── OutputLocked              OUTPUT_LOCKED       –    exit 5
    │   ├── ServerUnreachable         SERVER_UNREACHABLE  –    exit 10
    │   ├── SourceRefused             SOURCE_REFUSED      –    exit 12
    │   ├── PhaseUnknown              PHASE_UNKNOWN       –    exit 2
    │   ├── PhaseFailed               PHASE_FAILED        –    exit 14
    │   └── ConfigInvalid             CONFIG_INVALID      –    exit 15
    └── Internal                    INTERNAL             500   exit 70

Codes are shared by server and builder and are never renamed or reused.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, Self


class PanaversityError(Exception):
    """One failure, told as ``operation: subject: what is wrong. what to do.``

    ``operation`` is the verb that failed, ``subject`` the path, book or address it failed on, ``problem`` the fact in
    the present tense, ``hint`` the next step for the reader (may be empty). ``details`` travel on the wire as they are
    and must be JSON values without secrets.
    """

    code: str = "INTERNAL"
    retryable: bool = False
    http_status: ClassVar[int] = 500
    exit_status: int = 70

    def __init__(self, operation: str, subject: str, problem: str, hint: str = "", **details: Any) -> None:
        self.operation = operation
        self.subject = subject
        self.problem = problem.rstrip(".")
        self.hint = hint.rstrip(".")
        self.details = details
        super().__init__(str(self))

    @property
    def message(self) -> str:
        """The fact without the next step: ``operation: subject: what is wrong.``"""
        return f"{self.operation}: {self.subject}: {self.problem}."

    def __str__(self) -> str:
        return f"{self.message} {self.hint}." if self.hint else self.message

    def to_wire(self) -> dict[str, Any]:
        """The body that MCP answers, HTTP answers and ``--format json`` share."""
        body: dict[str, Any] = {"code": self.code, "message": self.message, "retryable": self.retryable}
        if self.hint:
            body["hint"] = self.hint + "."
        return {"error": {**body, **{k: v for k, v in self.details.items() if k not in body}}}


class RequestError(PanaversityError):
    http_status = 400
    exit_status = 2


class InvalidArgument(RequestError):
    code = "INVALID_ARGUMENT"


class InvalidPath(RequestError):
    code = "INVALID_PATH"
    exit_status = 12


class SchemaViolation(RequestError):
    code = "SCHEMA_VIOLATION"
    exit_status = 12


class NotFound(RequestError):
    """Nothing is there. For a conditional write (``expected_hash`` in the details) that is a conflict, and exits so."""

    code = "NOT_FOUND"
    http_status = 404

    def __init__(self, operation: str, subject: str, problem: str, hint: str = "", **details: Any) -> None:
        super().__init__(operation, subject, problem, hint, **details)
        if details.get("expected_hash") is not None:
            self.exit_status = Conflict.exit_status


class BookGone(RequestError):
    code = "BOOK_GONE"
    http_status = 410


class HashRequired(RequestError):
    code = "HASH_REQUIRED"
    http_status = 409
    exit_status = 11


class Conflict(RequestError):
    code = "CONFLICT"
    http_status = 409
    exit_status = 11


class TooLarge(RequestError):
    code = "TOO_LARGE"
    http_status = 413
    exit_status = 12


class QuotaExceeded(RequestError):
    """A book would hold more than it may, or the store more books: ``quota``, ``limit``, ``used`` and ``wanted`` say
    which and how much."""

    code = "QUOTA_EXCEEDED"
    http_status = 413
    exit_status = 12


class IdentityError(PanaversityError):
    http_status = 400
    exit_status = 16


class AgentRequired(IdentityError):
    code = "AGENT_REQUIRED"


class Unauthenticated(IdentityError):
    code = "UNAUTHENTICATED"
    http_status = 401


class Forbidden(IdentityError):
    code = "FORBIDDEN"
    http_status = 403


class IntegrityError(PanaversityError):
    exit_status = 13


class HashMismatch(IntegrityError):
    """Bytes lack the digest or the length promised for them. 400 when the caller sent them."""

    code = "HASH_MISMATCH"
    http_status = 400


class ChainBroken(IntegrityError):
    code = "CHAIN_BROKEN"


class UnavailableError(PanaversityError):
    retryable = True
    http_status = 503
    exit_status = 10


class Unavailable(UnavailableError):
    code = "UNAVAILABLE"


class BlobsMissing(UnavailableError):
    """A commit names bytes the store does not hold; ``details["digests"]`` lists them: send them again."""

    code = "BLOBS_MISSING"
    http_status = 409


class RateLimited(UnavailableError):
    code = "RATE_LIMITED"
    http_status = 429


class TimedOut(UnavailableError):
    code = "TIMEOUT"


class ReadOnly(UnavailableError):
    code = "READ_ONLY"
    retryable = False


class StorageFull(UnavailableError):
    code = "STORAGE_FULL"
    retryable = False
    http_status = 507


class BuildError(PanaversityError):
    """Raised by the builder only; never on the wire."""


class Differences(BuildError):
    code = "DIFFERENCES"
    exit_status = 1


class LocalEdits(BuildError):
    code = "LOCAL_EDITS"
    exit_status = 3


class NoSpace(BuildError):
    code = "NO_SPACE"
    exit_status = 4


class OutputLocked(BuildError):
    code = "OUTPUT_LOCKED"
    exit_status = 5


class ServerUnreachable(BuildError):
    code = "SERVER_UNREACHABLE"
    exit_status = 10


class SourceRefused(BuildError):
    code = "SOURCE_REFUSED"
    exit_status = 12


class PhaseUnknown(BuildError):
    code = "PHASE_UNKNOWN"
    exit_status = 2


class PhaseFailed(BuildError):
    code = "PHASE_FAILED"
    exit_status = 14


class ConfigInvalid(BuildError):
    code = "CONFIG_INVALID"
    exit_status = 15


class Internal(PanaversityError):
    """A bug. On the wire its details are masked: a request id is all that leaves."""

    code = "INTERNAL"


def error_types() -> Iterator[type[PanaversityError]]:
    """All concrete error types, branches left out."""
    branches = [PanaversityError]
    while branches:
        for kind in branches.pop().__subclasses__():
            branches.append(kind)
            if "code" in kind.__dict__:
                yield kind


class RemoteError(PanaversityError):
    """An error of a newer server whose code this version does not know: shown as it came."""

    @classmethod
    def named(
        cls, code: str, retryable: bool, operation: str, subject: str, problem: str, hint: str, **details: Any
    ) -> Self:
        """The error itself, bearing a code of its own."""
        error = cls(operation, subject, problem, hint, **details)
        error.code, error.retryable = code, retryable
        return error


_ARGUMENTS = frozenset({"self", "cls", "operation", "subject", "problem"})


def from_wire(body: object) -> PanaversityError:
    """Rebuild the error that ``to_wire`` wrote. An unknown code becomes a ``RemoteError`` with that code, and whatever
    has another form an ``Internal``: this is also how answers of strangers are read, so it raises nothing itself.
    """
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return Internal("server", "answer", "is not in the form of an error")
    fields = dict(error)
    code, message = str(fields.pop("code", "INTERNAL")), str(fields.pop("message", "no message"))
    retryable, hint = bool(fields.pop("retryable", False)), str(fields.pop("hint", ""))
    parts = message.split(": ", 2)
    verb, subject, problem = parts if len(parts) == 3 else ("server", "answer", message)
    details = {k: v for k, v in fields.items() if k not in _ARGUMENTS}
    for kind in error_types():
        if kind.code == code:
            return kind(verb, subject, problem, hint, **details)
    return RemoteError.named(code, retryable, verb, subject, problem, hint, **details)
