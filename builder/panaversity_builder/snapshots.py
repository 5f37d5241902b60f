"""What a build remembers between runs: records of phases, and kept copies of built folders.

Cached things are never trusted without a check and never fatal (EXAMPLES 8.13): a record that does not hash to its
key, a kept folder that does not have its digest, an unreadable file are all misses with a reason.

Knows files under one state folder; does not know phases' meaning or what a book is.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from panaversity_builder.durable import write_beside
from panaversity_builder.lifecycle import KeyDocument, parse_document
from panaversity_fs.core.digest import is_digest

FORMAT = 1
KEPT_RECORDS = 20
"""Records a phase keeps: enough to switch between some branches, small enough to read on every build."""
KEPT_FOLDERS = 3
"""Built folders kept: a site of 1000 lessons weighs about 60 MB (LIBRARY-NOTES 10)."""

Warn = Callable[[str], None]


def _deaf(text: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Record:
    """One run of one phase: what went in, what came out, when it ended (ISO 8601, UTC), how many seconds it took."""

    document: KeyDocument
    output: str
    finished_at: str
    seconds: float

    def to_json(self) -> dict[str, object]:
        """As written in the record file; the key beside the document shows a torn or edited record."""
        return {
            "key": self.document.key,
            "document": self.document.to_json(),
            "output": self.output,
            "finished_at": self.finished_at,
            "seconds": round(self.seconds, 3),
        }


def _parse_record(body: Any) -> Record:
    match body:
        case {
            "key": str(key),
            "document": document,
            "output": str(output),
            "finished_at": str(when),
            "seconds": int() | float() as s,
        }:
            record = Record(parse_document(document), output, when, float(s))
            if record.document.key == key:
                return record
    raise ValueError("a record does not hash to its key")


class RecordFiles:
    """Records of one lifecycle, a small file per phase, the most recently used record first.

    ``folder`` is made when the first record is written. ``warn`` hears why a file was not believed.
    """

    def __init__(self, folder: str, warn: Warn = _deaf) -> None:
        self._folder = folder
        self._warn = warn
        self._read: dict[str, list[Record]] = {}

    def all(self, phase_id: str) -> list[Record]:
        """What is remembered of one phase, the last used first; empty when nothing is or nothing can be believed."""
        if phase_id not in self._read:
            self._read[phase_id] = self._load(phase_id)
        return self._read[phase_id]

    def find(self, document: KeyDocument) -> Record | None:
        """The record under this document's key."""
        return next((r for r in self.all(document.phase) if r.document.key == document.key), None)

    def latest(self, phase_id: str) -> Record | None:
        """The record used last: what an explanation compares with."""
        return next(iter(self.all(phase_id)), None)

    def remember(self, record: Record) -> None:
        """Put this record first; the same key replaces its older record. Old ones beyond ``KEPT_RECORDS`` go."""
        phase, key = record.document.phase, record.document.key
        before = self.all(phase)
        if before and before[0] is record:
            return
        records = [record, *(r for r in before if r.document.key != key)][:KEPT_RECORDS]
        self._read[phase] = records
        body = {"format": FORMAT, "records": [r.to_json() for r in records]}
        try:
            os.makedirs(self._folder, exist_ok=True)
            write_beside(self._path(phase), (json.dumps(body, ensure_ascii=False, indent=1) + "\n").encode())
        except OSError as error:
            self._warn(f"build record {self._path(phase)} cannot be written ({error}); the next build runs it again")

    def _path(self, phase_id: str) -> str:
        return os.path.join(self._folder, f"{phase_id}.json")

    def _load(self, phase_id: str) -> list[Record]:
        path = self._path(phase_id)
        try:
            with open(path, "rb") as file:
                body = json.load(file)
            if not isinstance(body, dict) or body.get("format") != FORMAT:
                raise ValueError(f"its format is not {FORMAT}")
            return [_parse_record(r) for r in body["records"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            self._warn(f"build record {path} is not believed ({error}); its phase is judged as never built")
            return []


TreeDigest = Callable[[str], str]


class KeptFolders:
    """Copies of built folders, each under the digest of its content, so a copy that was touched shows itself.

    ``digest`` is how a folder is hashed. ``restore`` never leaves half a folder under the target's name.
    """

    def __init__(self, folder: str, digest: TreeDigest) -> None:
        self._folder = folder
        self._digest = digest

    def keep(self, source: str, output: str) -> None:
        """Copy a built folder. A copy that is not what ``output`` says (someone writes meanwhile) is thrown away."""
        target = self._path(output)
        if os.path.isdir(target):
            return
        os.makedirs(self._folder, exist_ok=True)
        with _scratch(f"{target}.partial") as beside:
            shutil.copytree(source, beside, symlinks=True)
            if self._digest(beside) == output:
                os.rename(beside, target)

    def restore(self, output: str, target: str) -> str | None:
        """Put the kept folder in the target's place. None when done, else why that cannot be."""
        if not os.path.isdir(self._path(output)):
            return "no copy is kept"
        try:
            return self._restore(output, target)
        except OSError as error:
            return f"the kept copy cannot be put back ({error})"

    def _restore(self, output: str, target: str) -> str | None:
        kept = self._path(output)
        with _scratch(f"{target}.restoring") as beside, _scratch(f"{target}.replaced") as aside:
            shutil.copytree(kept, beside, symlinks=True)
            if self._digest(beside) != output:
                shutil.rmtree(kept)
                return "the kept copy was damaged"
            if os.path.lexists(target):
                os.rename(target, aside)
            os.rename(beside, target)
        return None

    def prune(self, outputs: list[str]) -> None:
        """Remove all copies but the first ``KEPT_FOLDERS`` distinct of these, the most recently used first."""
        wanted = list(dict.fromkeys(outputs))[:KEPT_FOLDERS]
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self._folder):
                if name not in wanted:
                    _remove(os.path.join(self._folder, name))

    def _path(self, output: str) -> str:
        if not is_digest(output):
            raise ValueError("a kept folder is named by a digest")
        return os.path.join(self._folder, output)


@contextlib.contextmanager
def _scratch(path: str) -> Iterator[str]:
    """A path that is free on entry and gone on exit, whatever happened."""
    _remove(path)
    try:
        yield path
    finally:
        _remove(path)


def _remove(path: str) -> None:
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    elif os.path.isdir(path):
        shutil.rmtree(path)
