"""A Docusaurus site whose lessons are edited at random: to see that an incremental build equals a clean one.

Knows how to lay out, edit and build the site; does not know what a build has to answer.
"""

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAKE_BOOK = Path(os.environ.get("MAKE_BOOK", ROOT.parent / "shared" / "make_book.py"))
ENTRY = Path("node_modules", "@docusaurus", "core", "bin", "docusaurus.mjs")
_SAID = re.compile(r"incremental-ssg: rendered (?:all (\d+)|(\d+), reused (\d+)) \((.*)\)")
_TITLE = re.compile(rb"^title: (.*?)(\r?)$", re.MULTILINE)
# A lesson whose words come from a component, from the environment, and from a file.
_MDX = """---
title: Box
---

import Box from '@site/src/components/Box.jsx';
import facts from '@site/src/facts.json';

<Box>{facts.number} {process.env.LAB_WORD ?? 'none'}</Box>
"""


@dataclass(frozen=True)
class Built:
    """One build: its exit status, all it wrote, what the plugin and the judge said."""

    status: int
    text: str

    @property
    def _found(self) -> re.Match[str]:
        found = _SAID.search(self.text)
        assert found, self.text[-3000:]
        return found

    @property
    def said(self) -> str:
        """The plugin's line."""
        return self._found[0]

    @property
    def all_said(self) -> list[str]:
        """The plugin's lines, one a language."""
        return [found[0] for found in _SAID.finditer(self.text)]

    @property
    def counts(self) -> tuple[int, int]:
        """Pages rendered and pages reused."""
        found = self._found
        everything, some, reused = found[1], found[2], found[3]
        return (int(everything), 0) if everything else (int(some), int(reused))

    @property
    def judged_same(self) -> bool:
        """Whether the judge found each page and its data to be as a full rendering makes them."""
        verdicts = re.findall(r"^judge: (.*)$", self.text, re.MULTILINE)
        assert verdicts, self.text[-3000:]
        return set(verdicts) == {"same"}


class LabSite:
    """``folder/site`` with a book of so many lessons of so many bytes, ten a chapter, each chapter with an image that
    its first lesson shows. Packages come from ``node_modules`` of the repository."""

    def __init__(self, folder: Path, lessons: int, size: int, **words: object) -> None:
        self.folder = folder / "site"
        self.book, self.output = self.folder / "book", self.folder / "build"
        shutil.copytree(Path(__file__).parent / "lab_site", self.folder)
        shutil.copytree(ROOT / "examples" / "learn-app" / "plugins", self.folder / "plugins")
        (folder / "node_modules").symlink_to(ROOT / "node_modules")
        words_file = self.folder / "words.json"
        words_file.write_text(json.dumps({**json.loads(words_file.read_text()), **words}))
        self._make_book(lessons, size)
        (self.book / "README.md").write_text("---\ntitle: Home\nslug: /\n---\n\nThe first page.\n")
        (self.book / "box.mdx").write_text(_MDX)
        (self.folder / "src" / "facts.json").write_text('{"number": 1}')

    def _make_book(self, lessons: int, size: int) -> None:
        chapters = range(1, -(-lessons // 10) + 1)
        files = [
            f"{size}\tPart-01/Chapter-{(n // 10) + 1:02d}/{n % 10 + 1:02d}-lesson-{n}.md" for n in range(lessons)
        ] + [f"700\tPart-01/Chapter-{n:02d}/img/diagram.png" for n in chapters]  # fmt: skip
        table = self.folder / "paths.tsv"
        table.write_text("\n".join(files) + "\n")
        command = [sys.executable, str(MAKE_BOOK), str(self.book), "--paths", str(table)]
        subprocess.run(command, check=True, capture_output=True)
        for first in self.book.rglob("01-lesson-*.md"):
            first.write_bytes(first.read_bytes() + b"\n\n![Diagram](./img/diagram.png)\n")

    def build(self, mode: str = "on", **environment: str) -> Built:
        """Run ``docusaurus build`` once."""
        whole = {k: v for k, v in os.environ.items() if not k.startswith(("INCREMENTAL_", "LAB_", "DOCUSAURUS_"))}
        done = subprocess.run(
            ["node", str(ROOT / ENTRY), "build"], cwd=self.folder, text=True, check=False,
            env={**whole, "INCREMENTAL_SSG": mode, "NO_COLOR": "1", **environment},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return Built(done.returncode, done.stdout)

    def digests(self) -> dict[str, str]:
        """Every file of the built site and the digest of its bytes."""
        files = sorted(p for p in self.output.rglob("*") if p.is_file())
        return {p.relative_to(self.output).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}

    def forget(self) -> None:
        """Remove everything that a build keeps for the next one."""
        for name in ("build", ".docusaurus", "node_modules"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    @property
    def cache(self) -> Path:
        """Where the plugin remembers pages."""
        return self.folder / "node_modules" / ".cache" / "incremental-ssg"

    def touch_box(self) -> None:
        """Give one lesson another last-updated time, which Docusaurus also counts into the name of its route."""
        box = self.book / "box.mdx"
        box.write_text(box.read_text().replace("title: Box\n", "title: Box\nlast_update: {date: 2026-03-01}\n"))

    def lesson(self, rng: random.Random) -> Path:
        """Some lesson."""
        return rng.choice(sorted(self.book.rglob("*-lesson*.md")))

    def word(self, **changed: object) -> None:
        """Change the site's configuration."""
        file = self.folder / "words.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))


def _body(site: LabSite, rng: random.Random) -> None:
    file = site.lesson(rng)
    file.write_bytes(file.read_bytes() + f"\n\nEdited: {rng.random()}.\n".encode())


def _title(site: LabSite, rng: random.Random) -> None:
    file = site.lesson(rng)
    file.write_bytes(_TITLE.sub(rb"title: Title %d\2" % rng.randrange(10**6), file.read_bytes(), count=1))


def _front_matter(site: LabSite, rng: random.Random) -> None:
    file, number = site.lesson(rng), rng.randrange(1, 28)
    line = rng.choice([
        f"last_update: {{date: 2026-02-{number:02d}}}", f"description: About {number}",
        f"sidebar_label: Label {number}", f"keywords: [k{number}]", "hide_table_of_contents: true",
    ])  # fmt: skip
    name = line.split(":")[0].encode()
    kept = re.sub(rb"^" + name + rb": .*\n", b"", file.read_bytes(), flags=re.MULTILINE)
    file.write_bytes(_TITLE.sub(rb"title: \1\2\n" + line.encode() + rb"\2", kept, count=1))


def _new(site: LabSite, rng: random.Random) -> None:
    number = rng.randrange(10**6)
    text = f"---\ntitle: New {number}\n---\n\nA new lesson.\n"
    (site.lesson(rng).parent / f"50-lesson-{number}.md").write_text(text)


def _deleted(site: LabSite, rng: random.Random) -> None:
    site.lesson(rng).unlink()


def _renamed(site: LabSite, rng: random.Random) -> None:
    file = site.lesson(rng)
    file.rename(file.with_name(f"60-lesson-{rng.randrange(10**6)}.md"))


def _image(site: LabSite, rng: random.Random) -> None:
    rng.choice(sorted(site.book.rglob("*.png"))).write_bytes(b"\x89PNG\r\n\x1a\n" + rng.randbytes(700))


def _category(site: LabSite, rng: random.Random) -> None:
    folder = site.lesson(rng).parent
    (folder / "_category_.json").write_text(json.dumps({"label": f"Category {rng.randrange(10**6)}"}))


def _css(site: LabSite, rng: random.Random) -> None:
    with (site.folder / "src" / "css" / "custom.css").open("a") as file:
        file.write(f".box {{ order: {rng.randrange(10**6)}; }}\n")


def _config(site: LabSite, rng: random.Random) -> None:
    site.word(**{rng.choice(["title", "tagline"]): f"Words {rng.randrange(10**6)}"})


def _component(site: LabSite, rng: random.Random) -> None:
    name, word = rng.choice([("components/Box.jsx", "Box"), ("theme/Footer/index.jsx", "Footer")])
    file = site.folder / "src" / name
    file.write_text(re.sub(rf"{word} \d+", f"{word} {rng.randrange(10**6)}", file.read_text()))


EDITS: dict[str, Callable[[LabSite, random.Random], None]] = {
    "body": _body, "title": _title, "front matter": _front_matter, "new": _new, "deleted": _deleted,
    "renamed": _renamed, "image": _image, "category": _category, "css": _css, "config": _config,
    "component": _component,
}  # fmt: skip
