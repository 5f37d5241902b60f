"""Many steps at a time, bounded, with one error that comes out as itself. Knows tasks, not what the steps do."""

from collections.abc import Awaitable, Callable, Iterable

import anyio

AT_ONCE = 64
"""Requests in flight at most, of one process."""

Step = Callable[[], Awaitable[None]]


async def all_of(steps: Iterable[Step], at_once: int = AT_ONCE, *, to_the_end: bool = False) -> None:
    """Take these steps, so many at a time, and raise the first error.

    An error ends the steps that are on their way; with ``to_the_end`` they end by themselves, and only new ones are not
    begun: a write that was cut off could still be carried out, behind the back of whoever cleans up.
    """
    todo = iter(steps)
    faults: list[Exception] = []

    async def work(scope: anyio.CancelScope) -> None:
        for step in todo:
            try:
                await step()
            except Exception as fault:  # noqa: BLE001 - raised below, outside of the group that would wrap it
                faults.append(fault)
                if not to_the_end:
                    scope.cancel()
            if faults:
                return

    async with anyio.create_task_group() as group:
        for _ in range(at_once):
            group.start_soon(work, group.cancel_scope)
    if faults:
        raise faults[0]
