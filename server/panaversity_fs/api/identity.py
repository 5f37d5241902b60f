"""Which agent a call is written down as: one pure decision over everything a call claims (DESIGN 9; FR-021, R7, S15).

Knows the order of precedence and what is no identity; does not know where the claims were read.
"""

import unicodedata
from dataclasses import dataclass

from panaversity_fs.core.errors import AgentRequired, InvalidArgument

MAX_AGENT = 200
"""Characters; the audit log shows agents in one line."""

_HINT = "Name yourself in _meta.agent_id or in the header X-Panaversity-Agent"


@dataclass(frozen=True, slots=True)
class Claims:
    """What one call says about its agent, strongest first; ``None`` means: says nothing.

    ``meta`` is ``_meta.agent_id`` as it came (any JSON value), ``header`` the text of ``X-Panaversity-Agent``,
    ``client`` the name the MCP client gave itself, ``server`` the agent a local server was started with.
    """

    token: str | None = None
    meta: object = None
    header: str | None = None
    client: str | None = None
    server: str | None = None

    def strongest(self) -> object:
        """The first claim that says anything, empty text included: a weaker claim never hides a bad stronger one."""
        return next((c for c in (self.token, self.meta, self.header, self.client, self.server) if c is not None), None)


def decide_agent(claims: Claims, operation: str) -> str | None:
    """The agent of a call, or None where nobody was named, the name is empty, or it is ``system``.

    Raises ``InvalidArgument`` for a name that is not text, holds control characters or is longer than ``MAX_AGENT``.
    """
    agent = claims.strongest()
    if agent is None:
        return None
    if not isinstance(agent, str):
        raise _malformed(operation, "is not text")
    if len(agent) > MAX_AGENT:
        raise _malformed(operation, f"is longer than {MAX_AGENT} characters")
    if any(unicodedata.category(c)[0] == "C" or unicodedata.category(c) in ("Zl", "Zp") for c in agent):
        raise _malformed(operation, "holds control characters")
    name = agent.strip()
    return None if name == "" or unicodedata.normalize("NFKC", name).casefold() == "system" else name


def require_agent(claims: Claims, operation: str) -> str:
    """The agent of a call that changes something. Raises ``AgentRequired`` where there is none."""
    agent = decide_agent(claims, operation)
    if agent is None:
        raise AgentRequired(operation, "agent", "nobody is named, and empty and 'system' are no agents", _HINT)
    return agent


def _malformed(operation: str, reason: str) -> InvalidArgument:
    return InvalidArgument(operation, "agent_id", reason, "Give one line of text", name="agent_id", reason=reason)
