"""Putting a built site back: 1000 pages of some 60 MB, through the real command.

What builds the site is a script in Docusaurus' place: how long that takes is not what is measured here. Knows the
shape of a site; does not know how sites are kept.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from figures import Report
from measure import Run, repeat, run
from scene import Scene, data, make_book

PAGES = 1000
RESTORE = 2.0
"""Seconds from the command to a built folder that was not there."""

_NODE = '#!/bin/sh\nif [ "$1" = --version ]; then echo v20.0.0; else exec {python} -IS "$@"; fi\n'
_BUILD = """
import os, random
random.seed(open("docusaurus.config.js").read())
for page in range({pages}):
    folder = f"build/docs/part-{{page // 100}}/page-{{page}}"
    os.makedirs(folder)
    open(folder + "/index.html", "wb").write(random.randbytes(24 * 1024).hex().encode())
os.makedirs("build/assets/js")
for chunk in range({pages}):
    open(f"build/assets/js/{{chunk:08x}}.js", "wb").write(random.randbytes(6 * 1024).hex().encode())
"""


def restore_figures(place: Scene, report: Report) -> None:
    """Build once, remove what was built, build again: nothing is rendered, the copy comes back."""
    source = place.memory / "restore" / "source"
    make_book(source, "--lessons", str(PAGES))
    # Outside of the repository: a project of its own, with a state folder of its own, on the machine's own disk.
    with tempfile.TemporaryDirectory(prefix="bench-") as project:
        _restore(place, source, Path(project) / "site", report)


def _restore(place: Scene, source: Path, site: Path, report: Report) -> None:
    environment = {**place.environment, **_site(site)}
    command = place.panaversity(
        "build", "--book-id", "restore", "--source-dir", str(source), "--output-dir", str(site / "book"),
        "--site-dir", str(site), "--format", "json",
    )  # fmt: skip

    def build() -> Run:
        return run(command, environment, site)

    def restored() -> Run:
        shutil.rmtree(site / "build")
        return build()

    build()
    files = [path for path in (site / "build").rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / (1 << 20)
    middle, times = repeat(5, lambda _: restored())
    if not (site / "build").is_dir() or "restored" not in str(data(middle.output)):
        sys.exit("bench: restore: the site was built again instead of being put back")
    note = f"{times[0]:.2f}…{times[-1]:.2f}; {PAGES} pages, {len(files)} files, {size:.0f} MiB, the whole command"
    report("restore-site", middle.seconds, RESTORE, "s", note)
    report("restore-site-there", repeat(5, lambda _: build())[0].seconds, RESTORE, "s", "the built folder is whole")


def _site(folder: Path) -> dict[str, str]:
    """A site whose Docusaurus is the script above; answers the environment in which it is found."""
    entry = folder / "node_modules" / "@docusaurus" / "core"
    (entry / "bin").mkdir(parents=True)
    (entry / "bin" / "docusaurus.mjs").write_text(_BUILD.format(pages=PAGES))
    (entry / "package.json").write_text('{"version": "3.10.2"}')
    (folder / "package-lock.json").write_text("{}")
    (folder / "docusaurus.config.js").write_text("export default {}")
    (folder / "book.toml").touch()  # a project of its own
    node = folder.parent / "bin" / "node"
    node.parent.mkdir()
    node.write_text(_NODE.format(python=sys.executable))
    node.chmod(0o755)
    return {"PATH": f"{node.parent}:{os.environ['PATH']}"}
