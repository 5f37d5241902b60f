"""The four annotation hints of each kind of tool; clients read a missing one as the worst.

Knows words only.
"""

from mcp_types import ToolAnnotations


def _hints(*, reads: bool, destructive: bool, idempotent: bool) -> ToolAnnotations:
    return ToolAnnotations(
        read_only_hint=reads, destructive_hint=destructive, idempotent_hint=idempotent, open_world_hint=False
    )


READS = _hints(reads=True, destructive=False, idempotent=True)
CREATES = _hints(reads=False, destructive=False, idempotent=False)
"""Adds something and never replaces what is there."""
WRITES = _hints(reads=False, destructive=True, idempotent=False)
"""May replace what is there (under the expected hash); repeated, it meets its own result as a conflict."""
REMOVES = _hints(reads=False, destructive=True, idempotent=True)
