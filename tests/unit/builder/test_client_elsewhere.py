"""Following a server to where a large blob lies: once, never less protected, and saying nothing of us (S3, F20)."""

import socket
import threading
from urllib.parse import urlsplit

import pytest

from panaversity_builder.client.elsewhere import followed
from panaversity_builder.client.transport import Patience
from panaversity_fs.core.errors import Unavailable

SHORT = Patience(silence=0.5, connect=1.0)


class Place:
    """Answers one request with ``text``; ``heard`` is that request."""

    def __init__(self, text: bytes) -> None:
        self._text, self.heard = text, b""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(10)
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            while b"\r\n\r\n" not in self.heard:
                self.heard += connection.recv(1 << 16)
            connection.sendall(self._text)

    def asked(self) -> bytes:
        """The bytes that come from here when the server says so."""
        link = f"http://127.0.0.1:{self.port}/b/k?X-Amz-Signature=s&a=b%2Fc"
        try:
            with followed("download", "http://books.example", link, {"Range": "bytes=5-"}, SHORT) as response:
                return b"".join(response.iter_raw())
        finally:
            self._thread.join(10)
            self._socket.close()


def test_S3_what_is_asked_for_goes_there_and_nothing_about_us() -> None:
    place = Place(b"HTTP/1.1 206 X\r\nContent-Length: 4\r\n\r\ngood")
    assert place.asked() == b"good"
    assert place.heard.startswith(b"GET /b/k?X-Amz-Signature=s&a=b%2Fc HTTP/1.1\r\n")
    assert b"Range: bytes=5-" in place.heard
    assert b"uthorization" not in place.heard
    assert b"X-Panaversity" not in place.heard


@pytest.mark.parametrize("status", [301, 302, 307, 400, 403, 404, 500, 204])
def test_S3_a_second_hop_and_every_refusal_end_as_something_to_try_again(status: int) -> None:
    head = f"HTTP/1.1 {status} X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(Unavailable) as fault:
        Place(head.encode()).asked()
    assert str(status) in str(fault.value)
    assert "Signature" not in str(fault.value)


@pytest.mark.parametrize(
    ("server", "link"),
    [
        ("https://books.example", "http://store.example/b"),
        ("http://books.example", "ftp://store.example/b"),
        ("http://books.example", "file:///etc/passwd"),
        ("http://books.example", "https://user:pass@store.example/b"),
        ("http://books.example", "//store.example/b"),
        ("http://books.example", "/books/b"),
        ("http://books.example", "http://[bad"),
        ("http://books.example", "http://store.example:99999/b"),
        ("http://books.example", ""),
    ],
)
def test_S3_a_link_that_leads_astray_is_not_followed(server: str, link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(*arguments: object, **more: object) -> None:
        raise AssertionError("nothing may be asked there")

    monkeypatch.setattr("panaversity_builder.client.elsewhere.transport_to", reached)
    with pytest.raises(Unavailable), followed("download", server, link, {}, SHORT):
        pass


def test_a_place_that_cannot_be_reached_is_named_without_its_secret() -> None:
    link = "http://127.0.0.1:1/b/k?X-Amz-Signature=secret"
    with pytest.raises(Unavailable) as fault, followed("download", "http://books.example", link, {}, SHORT):
        pass
    assert "127.0.0.1:1" in str(fault.value)
    assert "secret" not in str(fault.value)
    assert urlsplit(link).path not in str(fault.value)
