"""What PostgreSQL's and its driver's errors mean: wrong settings, a passing trouble, a full disk, an unknown outcome.

Pure but for the driver's class names: errors in, typed errors out. Neither statements, parameters nor passwords get
into what it says: of PostgreSQL's words the primary message is repeated, of the driver's none.
"""

import socket
import ssl
from typing import Any

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from panaversity_fs.core.errors import ConfigInvalid, PanaversityError, StorageFull, Unavailable
from panaversity_fs.database_url import Target
from panaversity_fs.store.outcomes import NothingDone, Undecided

LOST = "connection was lost"
_AGAIN = {
    "40001": "is used by another transaction",
    "40P01": "is used by another transaction",
    "55P03": "is held by another transaction",
}
"""Roll back, then do all of it again (F24)."""
_GONE = ("08", "57P01", "57P02", "57P03", "25P03")
"""The connection is no more, or was never made."""
_NO_LONGER_TALKING = ("InterfaceError", "InternalClientError")
_DENIED = {
    "28P01": "refuses the password",
    "28000": "refuses this user",
    "3D000": "has no database of this name",
    "42501": "may not be used by this user",
}


def driver_errors() -> tuple[type[Exception], ...]:
    """What a driver's own call may raise, SQLAlchemy's wrapping included."""
    import asyncpg  # type: ignore[import-untyped]

    # InternalClientError: a connection that ended in the middle of a conversation, as the next one finds it.
    own = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
    return (SQLAlchemyError, *own, OSError, TimeoutError)


def state_of(fault: BaseException) -> str:
    """PostgreSQL's five signs for what happened; empty when it did not say."""
    said: Any = fault.orig if isinstance(fault, DBAPIError) else fault
    return str(getattr(said, "sqlstate", None) or "")


def is_lost(fault: BaseException) -> bool:
    """True when the connection is gone."""
    if isinstance(fault, DBAPIError) and fault.connection_invalidated:
        return True
    if isinstance(fault, PoolTimeout):
        return False
    if state := state_of(fault):
        return state.startswith(_GONE)
    said = fault.orig if isinstance(fault, DBAPIError) else fault
    return isinstance(said, OSError | TimeoutError) or type(said).__name__ in _NO_LONGER_TALKING


def passes(fault: BaseException) -> bool:
    """True when the same may go well in a moment."""
    return state_of(fault) in _AGAIN or is_lost(fault)


def typed(fault: BaseException, operation: str) -> PanaversityError:
    """The typed error for trouble inside a transaction, which was rolled back."""
    state = state_of(fault)
    if state == "53100":
        return StorageFull(operation, "database", "has no space left", "Free some space, then repeat", backend="sql")
    if state == "53200":
        hint = "Try again later; if it stays so, give PostgreSQL more memory"
        return Unavailable(operation, "database", "is out of memory", hint, backend="sql")
    if state in _AGAIN:
        return NothingDone(operation, "database", _AGAIN[state], "Try again", backend="sql")
    if is_lost(fault):
        return NothingDone(operation, "database", LOST, "Try again", backend="sql")
    if state == "57014":
        return Unavailable(operation, "database", "took too long", "Try again later", backend="sql")
    if state == "42501":
        hint = "Grant it: panaversity-fs migrate --print-roles says what a server needs"
        return Unavailable(operation, "database", f"refused ({_words(fault)})", hint, backend="sql")
    return Unavailable(operation, "database", f"refused ({_words(fault)})", "Look at the server's log", backend="sql")


def of_commit(fault: BaseException, operation: str) -> PanaversityError:
    """The typed error for trouble with COMMIT. What the server itself refused did not happen; who went away while it
    committed may have."""
    if not is_lost(fault):
        return typed(fault, operation)
    return Undecided(
        operation, "database", "connection was lost while the change was committed: it may have happened",
        "Look whether it is there, or repeat it with the same idempotency key", backend="sql",
    )  # fmt: skip


def of_connecting(fault: BaseException, target: Target) -> PanaversityError:
    """The typed error for a connection that could not be made: ``ConfigInvalid`` where trying again cannot help."""
    state = state_of(fault)
    if state in _DENIED:
        return _wrong(target, f"PostgreSQL {_DENIED[state]}", state)
    if isinstance(fault, socket.gaierror):
        return _wrong(target, "host is not known", "host")
    if isinstance(fault, ssl.SSLError) or (not state and "SSL" in str(fault)):
        return _wrong(target, "TLS could not be agreed on", "ssl")
    if isinstance(fault, FileNotFoundError):
        return _wrong(target, "socket or file is not there", "host")
    if isinstance(fault, OSError | TimeoutError) or state.startswith((*_GONE, "53")):
        return NothingDone("connect", target.place, f"cannot be reached ({_reason(fault)})", "Try again", backend="sql")
    return _wrong(target, f"cannot be connected to ({type(fault).__name__})", type(fault).__name__)


def _wrong(target: Target, problem: str, reason: str) -> ConfigInvalid:
    return ConfigInvalid("connect", target.place, problem, "Correct DATABASE_URL", key="DATABASE_URL", reason=reason)


def _reason(fault: BaseException) -> str:
    if state_of(fault):
        return _words(fault)
    return fault.strerror or "no answer" if isinstance(fault, OSError) and fault.errno else "no answer"


def _words(fault: BaseException) -> str:
    """PostgreSQL's primary message, whose values stand in its detail; of the driver's errors the name only."""
    said: Any = fault.orig if isinstance(fault, DBAPIError) else fault
    if not state_of(fault):
        return type(said).__name__
    original = getattr(said, "driver_exception", None) or said.__cause__ or said
    message = getattr(original, "message", None)
    return " ".join(str(message).split())[:200] if message else type(said).__name__
