"""``panaversity watch``: what it holds from round to round."""

import io
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from panaversity_builder.cli import session
from panaversity_builder.cli.watch import Connected, _service
from panaversity_builder.config import Config
from panaversity_builder.console import Console
from panaversity_fs.core.errors import ConfigInvalid


def test_settings_that_name_no_book_any_more_open_no_connection(tmp_path, monkeypatch):
    opened = []

    @contextmanager
    def connected(*_):
        opened.append(1)
        yield None

    monkeypatch.setattr(session, "connected", connected)
    live = SimpleNamespace(config=Config(str(tmp_path)))
    with Connected(Console(io.StringIO(), io.StringIO(), {}), live) as connection:
        for _ in range(2):
            with pytest.raises(ConfigInvalid, match=r"^watch: "):
                connection.phases()
    assert opened == []


def test_what_is_served_does_not_see_the_servers_token(tmp_path, monkeypatch):
    monkeypatch.setenv("PANAVERSITY_TOKEN", "secret")
    assert "PANAVERSITY_TOKEN" not in _service(Config(str(tmp_path)), None, False, False).site.environ
