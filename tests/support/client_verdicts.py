"""What must hold of a builder's world right after a fault, and after the same command was run again.

Right after: no owned file is torn, the author's things are as they were, no finished manifest names what is not there.
After the second run: the end state equals the twin's, which one clean run made elsewhere (RELIABILITY 2, H7). Knows
trees and state files; does not know how anything was broken.
"""

import json
import os
import stat
from pathlib import Path
from typing import Any

from panaversity_builder.book.hydrate.records import parse_index
from panaversity_builder.book.sealed import Miss
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.manifest import parse
from support.client_worlds import BOOK, World
from support.hydrated import everything, folders_of, tree_of

STATE = ".panaversity"


def nothing_is_torn(world: World, before: dict[str, bytes], possible: set[bytes]) -> None:
    """Every file is one that was there, or one that belongs there, whole. Raises ``AssertionError``."""
    for path, data in tree_of(world.out).items():
        if path not in world.mine:
            assert data in possible or before.get(path) == data, f"{path} is torn: {data[:40]!r}"


def author_is_untouched(world: World, source: dict[str, Any], outside: bytes) -> int:
    """Files planted among ours, the source tree and a canary outside; answers how many were looked at."""
    for path, data in world.mine.items():
        file = world.out / path
        assert file.read_bytes() == data, f"{path} is the author's and was changed"
        assert 7 <= file.stat().st_mtime < 7 + len(world.mine), f"{path} is the author's and was touched"
    if world.source.exists():
        assert everything(world.source) == source, "ingest wrote to the source"
    assert (world.place / "canary").read_bytes() == outside
    return len(world.mine) + len(source)


def lacking_files(world: World) -> set[str]:
    """What the stored manifest of a run that says it ended (no ``plan.json``) names and the tree does not hold (F5)."""
    state = world.out / STATE
    if (state / "plan.json").exists() or not (state / "manifest.json").exists():
        return set()
    told = json.loads((state / "manifest.json").read_bytes())
    text = (state / "manifest.txt").read_bytes() if (state / "manifest.txt").exists() else b""
    if digest_of(text) != told["manifest_hash"] or told["scope"] != "all":
        return set()
    found = {digest_of(data) for data in tree_of(world.out).values()}
    return {path for path, digest in parse(text).items() if digest not in found}


def manifest_is_honest(world: World, lacked: set[str]) -> None:
    """Raise ``AssertionError`` when it names more than was lacking before: files somebody edited."""
    lacking = lacking_files(world) - lacked
    assert not lacking, f"manifest.json names files that are not there: {sorted(lacking)[:3]}"


def end_of(world: World) -> dict[str, Any]:
    """Everything about a world's end that two runs must agree on."""
    book = world.server.books.get(BOOK)
    return {
        "tree": {path: data for path, data in tree_of(world.out).items() if path not in world.mine},
        "modes": sorted({stat.S_IMODE(os.lstat(world.out / p).st_mode) for p in tree_of(world.out)} - {0o600}),
        "folders": _ours(world),
        "state": _state(world.out / STATE),
        "book": dict(book.entries) if book else {},
        "revision": book.revision if book else 0,
        "told": book.ingest_manifest if book else None,
        "pending": sorted(p.name for p in (world.place / "project").rglob("pending.json")),
    }


def _ours(world: World) -> set[str]:
    """Folders that hold anything but the author's files, or nothing."""
    mine = {parent for path in world.mine for parent in map(str, Path(path).parents)}
    return folders_of(world.out) - mine if world.out.exists() else set()


def _state(folder: Path) -> dict[str, Any]:
    if not folder.exists():
        return {}
    names = {p.name for p in folder.iterdir()} - {"lock", "edits", "staging", "checkpoints.json"}
    ours = {name for name in names if not name.endswith(".bad")}
    try:
        index = parse_index((folder / "index").read_bytes())
    except Miss as miss:
        return {"index": str(miss)}
    told = json.loads((folder / "manifest.json").read_bytes())
    return {
        "names": sorted(ours),
        "index": {path: (owned.digest, owned.size) for path, owned in index.files.items()},
        "pending": index.pending,
        "made": index.folders,
        "staged": sorted(p.name for p in (folder / "staging").iterdir()) if (folder / "staging").exists() else [],
        "manifest": {key: value for key, value in told.items() if key not in ("timestamp", "checksum")},
        "text": (folder / "manifest.txt").read_bytes(),
        "edits": sorted(p.read_bytes() for p in (folder / "edits").iterdir()) if (folder / "edits").exists() else [],
    }
