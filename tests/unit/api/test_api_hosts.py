"""Which Host and Origin are ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_fs.api.hosts import HostRule

OPEN = HostRule()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
def test_S1_loopback_names_are_ours_on_our_port_only(name: str) -> None:
    assert OPEN.host_allowed(f"{name}:8000", 8000)
    assert OPEN.host_allowed(f"{name}:8000", None)
    assert OPEN.host_allowed(name, 80)
    assert not OPEN.host_allowed(f"{name}:8001", 8000)
    assert not OPEN.host_allowed(name, 8000)
    assert OPEN.origin_allowed(f"http://{name}:8000", 8000)
    assert not OPEN.origin_allowed(f"http://{name}:8001", 8000)


@pytest.mark.parametrize(
    "host",
    [None, "", " ", ":8000", "localhost.:8000", "localhost.evil.example:8000", "evil.example:8000", "localhost:8000:1",
     "localhost:8000 ", "localhost:8000/", "a@localhost:8000", "localhost,evil", "127.0.0.2:8000", "0.0.0.0:8000",
     "[::]:8000", "::1:8000", "[::1", "localhost:", "localhost:99999999", "locaｌhost:8000", "127.1:8000"],
)  # fmt: skip
def test_S1_anything_else_is_a_stranger(host: str | None) -> None:
    assert not OPEN.host_allowed(host, 8000)


def test_allowed_hosts_hold_for_the_port_they_name_or_for_all() -> None:
    rule = HostRule({"books.example.org", "proxy.example.org:8443"})
    assert rule.host_allowed("Books.Example.Org:1234", 8000)
    assert rule.origin_allowed("https://books.example.org", 8000)
    assert rule.host_allowed("proxy.example.org:8443", 8000)
    assert not rule.host_allowed("proxy.example.org", 8000)
    assert not rule.host_allowed("x.books.example.org", 8000)


@pytest.mark.parametrize("origin", ["null", "", "file://", "ftp://localhost:8000", "http://", "http://localhost:8000/",
                                    "http://a@localhost:8000", "localhost:8000"])  # fmt: skip
def test_S1_an_origin_that_is_no_page_of_ours_is_refused(origin: str) -> None:
    assert not OPEN.origin_allowed(origin, 8000)


def test_no_origin_is_no_browser() -> None:
    assert OPEN.origin_allowed(None, 8000)


@given(st.text(max_size=40))
def test_S1_whatever_is_allowed_is_one_of_three_names(host: str) -> None:
    if OPEN.host_allowed(host, None):
        assert host.lower().startswith(("localhost", "127.0.0.1", "[::1]"))
