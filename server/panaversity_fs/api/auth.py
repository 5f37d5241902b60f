"""Who makes a request: the principal that the gate writes into it and everything behind the gate reads.

Knows where it is kept; does not know tokens (``auth_tokens``) nor what a principal may do (``permissions``).
"""

from dataclasses import dataclass

from starlette.requests import HTTPConnection
from starlette.types import Scope

from panaversity_fs.api.auth_scopes import EVERYTHING, Grants
from panaversity_fs.core.errors import Unauthenticated

_KEY = "panaversity_fs.principal"


@dataclass(frozen=True, slots=True)
class Principal:
    """One verified caller. ``subject`` owns pins, idempotency keys and an overlay; ``agent`` is what the token says
    the audit log shall name (None: the call may say)."""

    subject: str
    agent: str | None
    grants: Grants


LOCAL = Principal("local", None, EVERYTHING)
"""Everybody, while authentication is off: whoever reaches a loopback port or our stdin is this machine's user."""
NOBODY = Principal("nobody", None, Grants())
"""Whoever asks for what is open to all (health, metadata) while authentication is on."""


def bind(scope: Scope, principal: Principal) -> None:
    """Write the principal into a request. The gate's alone."""
    scope[_KEY] = principal


def principal_of(connection: HTTPConnection | None) -> Principal:
    """The principal of a request; None is a call that came over stdio or from this process.

    Raises ``Unauthenticated`` for a request that no gate let in: a missing gate must not open every door.
    """
    if connection is None:
        return LOCAL
    principal = connection.scope.get(_KEY)
    if not isinstance(principal, Principal):
        raise Unauthenticated("request", "caller", "was not let in by the gate")
    return principal
