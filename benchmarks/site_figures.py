"""The site itself: ``docusaurus build`` with the plugin incremental-ssg against the same build without it.

Both builds are measured in turns on one site: the same five lessons change before each of them, and both find the
bundler's cache warm. The lessons come from a server, as a user's do, so that a changed lesson has a new last-updated
time as well. Knows the example site and its build; does not know how the plugin works.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from figures import Report
from measure import Run, median, run, run_with_memory
from scene import ROOT, Scene, make_book, site_copy

_ROUNDS = 3
_LESSONS = 1000
_MIB = 1 << 20
_DOCUSAURUS = ROOT / "node_modules" / "@docusaurus" / "core" / "bin" / "docusaurus.mjs"
_SAID = re.compile(r"incremental-ssg: (.*)")


class _Site:
    """A copy of the example site with a book of its own in the scene's server."""

    def __init__(self, place: Scene, folder: Path) -> None:
        self.place, self.folder, self.source = place, folder, place.disk / "site-book"
        make_book(self.source, "--lessons", str(_LESSONS))
        self.lessons = sorted(self.source.rglob("*.md"))
        self._environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("INCREMENTAL_", "DOCUSAURUS_"))
        }

    def bring(self) -> None:
        """Bring the source to the site."""
        book = ("--book-id", "site")
        environment = self.place.environment
        run(self.place.panaversity("ingest", *book, "--source-dir", str(self.source)), environment)
        to = ("--output-dir", str(self.folder / "book"), "--metadata", "yes")
        run(self.place.panaversity("hydrate", *book, *to), environment)

    def change_bodies(self, number: int) -> None:
        """Change the same five lessons once more."""
        for lesson in self.lessons[100::200]:
            with lesson.open("ab") as file:
                file.write(f"\n\nEdited in round {number}.\n".encode())
        self.bring()

    def change_title(self) -> None:
        """Change what the sidebar of every page shows."""
        lesson = self.lessons[0]
        lesson.write_bytes(lesson.read_bytes().replace(b"title: Lesson", b"title: Another lesson", 1))
        self.bring()

    def build(self, mode: str) -> tuple[Run, str]:
        """One build, and what the plugin said."""
        environment: Mapping[str, str] = {**self._environment, "INCREMENTAL_SSG": mode}
        done = run_with_memory(["node", str(_DOCUSAURUS), "build", str(self.folder)], environment)
        said = _SAID.search(done.output)
        return done, said[1] if said else "nothing was said"

    def digest(self) -> str:
        """One digest over every file of the built site."""
        whole = hashlib.sha256()
        output = self.folder / "build"
        for file in sorted(p for p in output.rglob("*") if p.is_file()):
            whole.update(
                file.relative_to(output).as_posix().encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest()
            )
        return whole.hexdigest()


def _different(site: _Site) -> float:
    """1 when a build without the plugin is not, byte for byte, what the last build made; else 0."""
    made = site.digest()
    site.build("off")
    return float(site.digest() != made)


def site_figures(place: Scene, report: Report) -> None:
    """1000 lessons: five bodies changed, then one title; time, memory and bytes against rendering everything."""
    with site_copy() as folder:
        site = _Site(place, folder)
        site.bring()
        site.build("on")  # fills both caches
        without, incremental, said = [], [], ""
        for number in range(_ROUNDS):
            site.change_bodies(2 * number)
            without.append(site.build("off")[0])
            site.change_bodies(2 * number + 1)
            done, said = site.build("on")
            incremental.append(done)
        fast, slow = median([r.seconds for r in incremental]), median([r.seconds for r in without])
        report("site-5-changed", fast / slow, 0.5, "×", f"{fast:.2f} s and {slow:.2f} s; {said}")
        small, large = (max(r.peak_bytes for r in runs) / _MIB for runs in (incremental, without))
        report("site-5-changed-peak-memory", small / large, 1.0, "×", f"{small:.0f} MiB and {large:.0f} MiB")
        report("site-5-changed-differs", _different(site), 0, "")
        site.change_title()
        done, said = site.build("on")
        report("site-title-changed", done.seconds / slow, 1.25, "×", f"{done.seconds:.2f} s; {said}")
        report("site-title-changed-differs", _different(site), 0, "")
