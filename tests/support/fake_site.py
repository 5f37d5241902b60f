"""A site folder whose Docusaurus is a Python script of a few lines: what runs it is real, what it does takes no time.

The script copies ``book/`` into ``build/`` and appends a line to ``runs.txt`` beside the site, so tests count runs.
"""

import json
import os
import sys
from pathlib import Path

NODE = (
    f"#!{sys.executable} -IS\n"  # without site-packages: it starts in a fraction of the time
    + """
import os, sys
if sys.argv[1:] == ["--version"]:
    print(os.environ.get("FAKE_NODE_VERSION", "v20.0.0"))
else:
    sys.argv = sys.argv[1:]
    exec(compile(open(sys.argv[0]).read(), sys.argv[0], "exec"), {"__name__": "__main__"})
"""
)
DOCUSAURUS = """
import json, os, shutil, sys
assert sys.argv[1:] == ["build"], sys.argv
open("../runs.txt", "a").write("run\\n")
open("../environment.json", "w").write(json.dumps(dict(os.environ)))
shutil.rmtree("build", ignore_errors=True)
print("rendering")
if os.path.exists("book/broken.md"):
    print("broken.md: MDX compilation failed", file=sys.stderr)
    sys.exit(1)
shutil.copytree("book", "build", ignore=shutil.ignore_patterns(".panaversity"))
open("build/index.html", "w").write(open("docusaurus.config.js").read())
"""


class FakeSite:
    """``folder/site`` with Node and Docusaurus of its own in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.place, self.folder, self.docs = folder, folder / "site", folder / "site" / "book"
        self.put("bin/node", NODE)
        (folder / "bin" / "node").chmod(0o755)
        self.put("node_modules/@docusaurus/core/bin/docusaurus.mjs", DOCUSAURUS)
        self.put("node_modules/@docusaurus/core/package.json", '{"version": "3.10.2"}')
        self.put("package-lock.json", "{}")
        self.put("site/docusaurus.config.js", "export default {}")
        self.environ = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder)}

    def put(self, path: str, text: str) -> Path:
        """Write a file below the folder."""
        target = self.place / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    @property
    def runs(self) -> int:
        """How often Docusaurus ran."""
        log = self.place / "runs.txt"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def seen_environment(self) -> dict[str, str]:
        """The environment of the last run."""
        found: dict[str, str] = json.loads((self.place / "environment.json").read_text())
        return found

    def built(self) -> dict[str, str]:
        """The built files: path → text."""
        root = self.folder / "build"
        return {p.relative_to(root).as_posix(): p.read_text() for p in root.rglob("*") if p.is_file()}
