"""Limits of one caller: requests at once, requests a second, and how slowly a body may come (S22)."""

import asyncio
from contextlib import ExitStack
from typing import Any

import pytest

from panaversity_fs.api import limits_guard
from panaversity_fs.api.edge import Edge
from panaversity_fs.api.hosts import HostRule
from panaversity_fs.api.limits_guard import Allowance, Limits, Patience
from panaversity_fs.core.errors import Conflict, RateLimited, TimedOut


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


def once(limits: Limits, subject: str = "alice") -> None:
    with limits.admitted(subject):
        pass


def test_S22_a_burst_then_the_rate_and_the_answer_says_when() -> None:
    clock = Clock()
    limits = Limits(Allowance(rate=2, burst=5, concurrent=0), clock)
    for _ in range(5):
        once(limits)
    with pytest.raises(RateLimited) as refused:
        once(limits)
    assert refused.value.details["retry_after"] == 1
    once(limits, "bob")  # others are not concerned
    clock.now += 0.5
    once(limits)
    with pytest.raises(RateLimited):
        once(limits)
    clock.now += 1000
    for _ in range(5):
        once(limits)
    with pytest.raises(RateLimited):
        once(limits)


@pytest.mark.parametrize(("rate", "seconds"), [(0.1, 10), (0.4, 3), (1, 1), (100, 1)])
def test_retry_after_is_when_the_next_one_is_due(rate: float, seconds: int) -> None:
    clock = Clock()
    limits = Limits(Allowance(rate=rate, burst=1, concurrent=0), clock)
    once(limits)
    with pytest.raises(RateLimited) as refused:
        once(limits)
    assert refused.value.details["retry_after"] == seconds
    clock.now += seconds
    once(limits)


def test_S22_only_so_many_at_once_and_an_end_makes_room() -> None:
    limits = Limits(Allowance(rate=0, burst=1, concurrent=3), Clock())
    with ExitStack() as running:
        for _ in range(3):
            running.enter_context(limits.admitted("alice"))
        with pytest.raises(RateLimited):
            once(limits)
        once(limits, "bob")
    for _ in range(10):
        once(limits)
    with pytest.raises(KeyError), limits.admitted("alice"):
        raise KeyError
    once(limits)


def test_a_limit_of_nothing_is_no_limit() -> None:
    limits = Limits(Allowance(rate=0, burst=1, concurrent=0), Clock())
    with ExitStack() as running:
        for _ in range(1000):
            running.enter_context(limits.admitted("alice"))


def test_the_table_does_not_grow_with_the_number_of_subjects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits_guard, "_MANY", 10)
    clock = Clock()
    limits = Limits(Allowance(rate=1, burst=2, concurrent=5), clock)
    busy = limits.admitted("busy")
    busy.__enter__()
    for number in range(1000):
        clock.now += 1
        once(limits, f"subject-{number}")
    assert len(limits._accounts) <= 12
    assert limits._accounts["busy"].running == 1
    busy.__exit__(None, None, None)


class Sender:
    """A body that comes piece by piece: (seconds to wait before it, bytes)."""

    def __init__(self, clock: Clock, pieces: list[tuple[float, int]]) -> None:
        self.clock, self.pieces, self.asked = clock, pieces, 0

    async def receive(self) -> Any:
        self.asked += 1
        if not self.pieces:
            await asyncio.Event().wait()
        seconds, size = self.pieces.pop(0)
        self.clock.now += seconds
        return {"type": "http.request", "body": b"x" * size, "more_body": bool(self.pieces)}


async def read(patience: Patience, sender: Sender) -> int:
    receive, total = patience(sender.receive), 0
    while True:
        message = await receive()
        total += len(message["body"])
        if not message["more_body"]:
            return total


@pytest.mark.anyio
async def test_S22_a_body_that_keeps_the_rate_may_take_for_ever() -> None:
    clock = Clock()
    sender = Sender(clock, [(10, 1000)] * 500)
    assert await read(Patience(100, clock, grace=30), sender) == 500_000


@pytest.mark.anyio
async def test_S22_a_byte_a_second_is_cut_off_when_the_grace_is_used_up() -> None:
    clock = Clock()
    sender = Sender(clock, [(1, 1)] * 500)
    with pytest.raises(TimedOut) as refused:
        await read(Patience(100, clock, grace=30), sender)
    assert refused.value.details["seconds"] == 30
    assert 30 <= clock.now - 50 <= 32


@pytest.mark.anyio
async def test_S22_a_fast_start_buys_no_long_stall() -> None:
    clock = Clock()
    sender = Sender(clock, [(0.1, 10_000_000), (29, 1), (2, 1), (1, 1)])
    with pytest.raises(TimedOut):
        await read(Patience(100, clock, grace=30), sender)


@pytest.mark.anyio
async def test_S22_a_sender_that_stops_is_not_waited_for() -> None:
    async def silence() -> Any:
        await asyncio.Event().wait()

    patient = Patience(100, asyncio.get_running_loop().time, grace=0.05)(silence)
    with pytest.raises(TimedOut):
        await patient()
    # Nor a second time, when the refusal would read what is left.
    began = asyncio.get_running_loop().time()
    with pytest.raises(TimedOut):
        await patient()
    assert asyncio.get_running_loop().time() - began < 0.04


@pytest.mark.anyio
async def test_after_the_body_waiting_for_the_callers_leaving_has_no_limit() -> None:
    clock = Clock()
    messages = [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]

    async def receive() -> Any:
        clock.now += 1000
        return messages.pop(0)

    patient = Patience(100, clock, grace=30)(receive)
    assert (await patient())["type"] == "http.request"
    assert (await patient())["type"] == "http.disconnect"


def test_without_a_rate_nothing_is_wrapped() -> None:
    async def receive() -> Any: ...

    assert Patience(0, Clock())(receive) is receive


@pytest.mark.anyio
@pytest.mark.parametrize("reads", [True, False], ids=["while it is read", "while a refused one is drained"])
async def test_S22_the_edge_answers_a_slow_sender_and_does_not_wait_for_the_rest(reads: bool) -> None:
    """A refusal reads what is still sent; that must not wait for ever either."""
    sent: list[Any] = []
    first = [{"type": "http.request", "body": b"x", "more_body": True}]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if not reads:
            await receive()
            raise Conflict("put", "x", "refused")
        while (await receive())["more_body"]:
            pass

    async def receive() -> Any:
        if first:
            return first.pop()
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    patience = Patience(100, asyncio.get_running_loop().time, grace=0.05)
    scope = {
        "type": "http", "method": "PUT", "path": "/x", "headers": [(b"host", b"localhost")],
        "scheme": "http", "server": ("localhost", 80), "query_string": b"",
    }  # fmt: skip
    async with asyncio.timeout(5):
        await Edge(app, HostRule(), "/mcp", patience)(scope, receive, send)
    assert sent[0]["status"] == (503 if reads else 409)
    assert (b"TIMEOUT" if reads else b"CONFLICT") in sent[1]["body"]
