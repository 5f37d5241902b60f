"""A project with a source, a fake site, settings and a simulated server, for the command ``build``.

Knows how such a project is laid out; does not know what a build should do.
"""

import json
from pathlib import Path

from panaversity_builder.book.site_phase import site_build_dir
from support.command import Outcome, in_process
from support.fake_site import FakeSite
from support.simulator import Simulator

BOOK = "guide"
URL = "http://127.0.0.1:1"
"""The simulator stands in for a server that is configured; nobody listens there."""


class BuildDesk:
    """``place/docs`` is the source, ``place/site`` the site; ``run`` is the command in this process."""

    def __init__(self, place: Path) -> None:
        self.place, self.server = place, Simulator()
        self.site = FakeSite(place)
        self.write("README.md", "# Guide")
        self.write("01-Part/01-Chapter/01-one.md", "# One")
        self.site.put("site/src/css/custom.css", "p {}")
        (place / "book.toml").write_text(f'book_id = "{BOOK}"\nsource_dir = "docs"\nsite_dir = "site"\n')
        self.environ = {**self.site.environ, "XDG_CACHE_HOME": str(place / "cache"), "PANAVERSITY_MCP_URL": URL}

    def write(self, path: str, text: str) -> Path:
        """Write a file of the author's source."""
        return self.site.put(f"docs/{path}", text)

    def run(self, *words: str, **environ: str) -> Outcome:
        """One command."""
        return in_process(self.server, *words, cwd=self.place, environ={**self.environ, **environ})

    def json(self, *words: str) -> tuple[int, dict]:
        """One command in machine format: status and answer."""
        outcome = self.run(*words, "--format", "json")
        return outcome.status, json.loads(outcome.out)

    def why(self) -> str:
        """Build, and the reason for the site."""
        status, body = self.json("build")
        assert status == 0, body
        return body["phases"][-1]["reason"]

    @property
    def build_dir(self) -> Path:
        """Where the engine keeps what it remembers."""
        return Path(site_build_dir(str(self.place / ".panaversity"), str(self.site.folder)))

    @property
    def kept(self) -> list[Path]:
        """The kept copies of the site."""
        return sorted((self.build_dir / "kept").glob("*"))
