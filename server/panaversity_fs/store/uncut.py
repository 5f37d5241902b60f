"""Steps that are finished even when whoever waits for them is cancelled (F26).

A thread cannot be stopped, and a driver left in the middle of a statement keeps its lock: so clean-up has to come after
the step, not beside it. Knows tasks; does not know what the steps do.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar, TypeVarTuple

import anyio
from anyio import to_thread

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")


async def uncut(step: Coroutine[Any, Any, _Result]) -> _Result:
    """Carry the step out in a task of its own; a cancellation is passed on when it has ended.

    anyio's shield holds against its own cancel scopes only; ``Task.cancel`` needs the task as well.
    """
    running = asyncio.ensure_future(step)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        with anyio.CancelScope(shield=True):
            while not running.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([running])
        raise


async def in_thread(call: Callable[[*_Arguments], _Result], *arguments: *_Arguments) -> _Result:
    """Run a blocking call in a thread, to its end."""
    return await uncut(to_thread.run_sync(call, *arguments))
