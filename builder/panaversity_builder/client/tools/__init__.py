"""A server spoken to by MCP tools only (``--via tools``). Re-exports only."""

from panaversity_builder.client.tools.server import ToolServer

__all__ = ["ToolServer"]
