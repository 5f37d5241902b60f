"""Checks of the project: settings, root, state folder, disk, ignore lines, caches. PURE."""

import os
from collections.abc import Iterator

from panaversity_builder.book.diagnosis.facts import Facts, Finding

LITTLE_BYTES = 1_000_000_000
"""Less free room than this is worth a word."""


def settings(facts: Facts) -> Iterator[Finding]:
    """The book is named; what is not default is listed with its origin."""
    shown = facts.settings.shown
    listed = tuple(f"{n} = {v}  # {origin}" for n, (v, origin) in shown.items() if origin != "default" and n != "root")
    if facts.settings.book_id is None:
        hint = "Give --book-id, set PANAVERSITY_BOOK_ID, or write a book.toml: panaversity init"
        yield Finding("settings", "problem", "book_id is not set", hint, 15, listed)
        return
    where = facts.settings.shown["book_id"][1]
    yield Finding("settings", "ok", f"book {facts.settings.book_id} ({where})", listed=listed)


def project(facts: Facts) -> Iterator[Finding]:
    """Where the project's state and store lie."""
    origin = facts.settings.shown["root"][1]
    says = f"{facts.settings.root} ({origin})"
    if origin == "current folder":
        hint = "Run git init, or write a book.toml: another folder would be another project with a store of its own"
        yield Finding("project", "warning", says, hint)
    else:
        yield Finding("project", "ok", says)


def state_folder(facts: Facts) -> Iterator[Finding]:
    """The project's .panaversity takes files."""
    folder = os.path.join(facts.settings.root, ".panaversity")
    if facts.machine.unwritable:
        hint = "Make the project folder writable"
        yield Finding("state folder", "problem", f"{folder} cannot be written ({facts.machine.unwritable})", hint, 15)
    else:
        yield Finding("state folder", "ok", f"{folder} can be written")


def disk(facts: Facts) -> Iterator[Finding]:
    """There is room for the book three times: store, staging, docs folder."""
    free = facts.machine.free_bytes
    if free is None:
        return
    says = f"{_gigabytes(free)} free"
    if free < 3 * facts.source.size:
        hint = f"The book needs about {_gigabytes(3 * facts.source.size)} in store, staging and docs folder"
        yield Finding("disk", "problem", says, hint, 4)
    elif free < LITTLE_BYTES:
        yield Finding("disk", "warning", says, "Free some room: panaversity cache prune")
    else:
        yield Finding("disk", "ok", says)


def git_ignores(facts: Facts) -> Iterator[Finding]:
    """What is made again and again stays out of the history."""
    if not facts.machine.in_git:
        return
    output = os.path.relpath(facts.settings.output_dir, facts.site.folder)
    wanted = {".panaversity": ".panaversity/"} | ({} if output.startswith("..") else {output: output + "/"})
    have = {line.strip("/") for line in facts.site.ignores}
    have |= {os.path.basename(line.rstrip("/")) for line in facts.site.ignores}
    missing = tuple(line for name, line in wanted.items() if name not in have and os.path.basename(name) not in have)
    if missing:
        hint = f"Add to .gitignore: {' '.join(missing)}"
        yield Finding("gitignore", "warning", f"not ignored: {' '.join(missing)}", hint)
    else:
        yield Finding("gitignore", "ok", "the docs folder and .panaversity are ignored")


def caches(facts: Facts) -> Iterator[Finding]:
    """How much is kept where."""
    held = {name: (path, size) for name, (path, size) in facts.machine.caches.items() if size}
    if held:
        says = ", ".join(f"{name} {_gigabytes(size)}" for name, (_, size) in held.items())
        yield Finding("caches", "ok", says, listed=tuple(f"{name}: {path}" for name, (path, _) in held.items()))
    else:
        yield Finding("caches", "ok", "nothing is kept yet")


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
