"""The npm hooks with the real builder and no server: ``start`` goes on with what is here, ``build`` does not."""

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.command import clean_environ
from support.hydrated import BOOK, LESSON, Desk

BIN = Path(__file__).parents[2] / "learn-app-hooks" / "bin"

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="needs node")


@pytest.fixture
def site(tmp_path):
    """A site that was hydrated once, with a server nobody listens at any more."""
    desk = Desk(tmp_path)
    desk.hydrate()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = f'book_id = "{BOOK}"\noutput_dir = "{desk.out.name}"\nserver_url = "http://127.0.0.1:{port}"\n'
    (tmp_path / "book.toml").write_text(settings)
    return desk


def hook(desk, name, *words):
    builder = json.dumps([sys.executable, "-m", "panaversity_builder"])
    return subprocess.run(
        ["node", str(BIN / f"{name}.js"), *words],
        cwd=desk.place, env=clean_environ(PANAVERSITY_BUILDER=builder), capture_output=True, text=True, timeout=90,
    )  # fmt: skip


def test_start_goes_on_with_the_last_tree_and_a_warning(site):
    done = hook(site, "book-prestart")
    assert done.returncode == 0, done.stderr
    assert "Going on with what is on this machine" in done.stderr
    assert site.tree == site.wanted


def test_build_fails_closed_unless_asked_otherwise(site):
    done = hook(site, "book-prebuild")
    assert done.returncode == 10
    assert "cannot be reached" in done.stderr
    assert hook(site, "book-prebuild", "--on-unavailable", "use-cache").returncode == 0


def test_start_ends_with_10_when_the_tree_is_not_whole_and_cannot_be_made_so(site):
    (site.out / LESSON).unlink()
    done = hook(site, "book-prestart")
    assert done.returncode == 10
    assert "Traceback" not in done.stderr
