"""Bad tokens are bounded by address; good ones go on, and other addresses never notice (S22, S10)."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

import panaversity_fs.api.auth_failures as module
from panaversity_fs.api.auth import Principal
from panaversity_fs.api.auth_failures import FailedLogins
from panaversity_fs.api.auth_gate import Access, Gate
from panaversity_fs.core.errors import RateLimited, Unauthenticated

HERE, THERE = "203.0.113.7", "198.51.100.9"


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


def used_up(failures: FailedLogins, address: str, count: int = 5) -> None:
    for _ in range(count):
        failures.admit(address, "bad")
        failures.failed(address)


def test_S22_an_address_that_fails_too_often_waits_and_then_goes_on(clock: Time) -> None:
    failures = FailedLogins(5, clock)
    used_up(failures, HERE)
    with pytest.raises(RateLimited) as refused:
        failures.admit(HERE, "bad")
    assert refused.value.details["retry_after"] == 12  # a fifth of a minute buys one more
    assert refused.value.retryable
    clock.now += 12
    failures.admit(HERE, "bad")
    failures.failed(HERE)
    with pytest.raises(RateLimited):
        failures.admit(HERE, "bad")
    clock.now += 3600
    used_up(failures, HERE)  # and never saves up more than a minute's worth
    with pytest.raises(RateLimited):
        failures.admit(HERE, "bad")


def test_S22_other_addresses_and_tokens_that_counted_before_are_never_locked_out(clock: Time) -> None:
    failures = FailedLogins(5, clock)
    failures.counted("good")
    used_up(failures, HERE)
    failures.admit(HERE, "good")
    failures.admit(THERE, "bad")
    with pytest.raises(RateLimited):
        failures.admit(HERE, "never seen")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "::1",
        "::ffff:127.0.0.1",
        "10.1.2.3",
        "fe80::1%eth0",
        "192.168.0.9",
        "::ffff:172.16.0.1",
        "fd00::1",
        None,
        "testclient",
        "",
    ],
)
def test_S22_a_proxy_on_this_machine_is_everybody_and_has_no_bucket(clock: Time, address: str | None) -> None:
    failures = FailedLogins(1, clock)
    for _ in range(100):
        failures.admit(address, "bad")
        failures.failed(address)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("2001:db8::1", "2001:db8::ffff", True), ("2001:db8::1", "2001:db8:0:1::1", False),
     ("::ffff:203.0.113.7", HERE, True), ("203.0.113.8", HERE, False)],
)  # fmt: skip
def test_S22_a_customer_of_ipv6_has_one_bucket(clock: Time, one: str, other: str, same: bool) -> None:
    failures = FailedLogins(1, clock)
    used_up(failures, one, 1)
    if same:
        with pytest.raises(RateLimited):
            failures.admit(other, "bad")
    else:
        failures.admit(other, "bad")


def test_S22_the_tables_do_not_grow_with_strangers(clock: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ADDRESSES", 50)
    monkeypatch.setattr(module, "_TOKENS", 50)
    failures = FailedLogins(5, clock)
    for number in range(500):
        failures.failed(f"8.{number // 250}.{number % 250}.1")
        failures.counted(str(number))
    assert len(failures._buckets) <= 50
    assert len(failures._counted) <= 50


def test_no_limit_is_no_limit(clock: Time) -> None:
    failures = FailedLogins(0, clock)
    used_up(failures, HERE, 1000)
    failures.counted("good")
    failures.admit(HERE, "bad")


@given(st.lists(st.tuples(st.sampled_from([HERE, THERE]), st.floats(0, 30)), max_size=60))
def test_S22_nobody_has_more_failures_than_a_minute_and_the_time_since_allow(steps: list[tuple[str, float]]) -> None:
    clock, had = Time(), {HERE: 0, THERE: 0}
    failures = FailedLogins(5, clock)
    for address, wait in steps:
        clock.now += wait
        try:
            failures.admit(address, "bad")
        except RateLimited:
            assert had[address] >= 5
            continue
        failures.failed(address)
        had[address] += 1
        assert had[address] <= 5 + (clock.now - 1000) * 5 / 60 + 1e-6


class OneGoodToken:
    judged = 0

    async def principal(self, token: str) -> Principal:
        self.judged += 1
        if token != "good":
            raise Unauthenticated("request", "token", "is not valid")
        return Principal("alice", None, grants=None)  # type: ignore[arg-type]


def test_S22_the_gate_refuses_before_a_token_is_judged_and_says_when_to_come_back(clock: Time) -> None:
    judge = OneGoodToken()
    reached: list[str] = []

    async def app(scope: object, receive: object, send: object) -> None:
        reached.append("app")

    gate = Gate(app, Access(judge=judge, failures=FailedLogins(3, clock)))  # type: ignore[arg-type]

    def ask(token: str | None, address: str) -> None:
        headers = [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
        scope = {"type": "http", "path": "/mcp", "headers": headers, "client": (address, 1)}
        asyncio.run(gate(scope, None, None))  # type: ignore[arg-type]

    ask("good", HERE)
    for _ in range(9):  # nothing was tried: a client that only asks where tokens come from
        with pytest.raises(Unauthenticated):
            ask(None, HERE)
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            ask("bad", HERE)
    judged = judge.judged
    with pytest.raises(RateLimited):
        ask("bad", HERE)
    assert judge.judged == judged
    ask("good", HERE)
    ask("good", THERE)
    assert len(reached) == 3
