"""What a build remembers between runs: a record of what went into a phase and what came out.

Cached things are never trusted without a check and never fatal (EXAMPLES 8.13): a record that is not what was written,
or that does not hash to its key, and a file that cannot be read are misses with a reason.

Knows files under one state folder; does not know phases' meaning, what a book is, nor the things that came out
(``kept`` holds those).
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from panaversity_builder.durable import write_beside
from panaversity_builder.lifecycle import KeyDocument, parse_document
from panaversity_builder.progress import SILENT
from panaversity_fs.core.digest import digest_of

FORMAT = 2
KEPT_RECORDS = 20
"""Records a phase keeps: enough to switch between some branches, small enough to read on every build."""


@dataclass(frozen=True, slots=True)
class Record:
    """One run of one phase: what went in, what came out, when it ended (ISO 8601, UTC), how many seconds it took."""

    document: KeyDocument
    output: str
    finished_at: str
    seconds: float

    def to_json(self) -> dict[str, object]:
        """As written in the record file. ``check``, the digest of the rest, shows a torn or edited record."""
        body: dict[str, object] = {
            "key": self.document.key,
            "document": self.document.to_json(),
            "output": self.output,
            "finished_at": self.finished_at,
            "seconds": round(self.seconds, 3),
        }
        return {**body, "check": _check(body)}


def _check(body: dict[str, object]) -> str:
    return digest_of(json.dumps(body, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _parse_record(body: Any) -> Record:
    match body:
        case {
            "key": str(key),
            "document": document,
            "output": str(output),
            "finished_at": str(when),
            "seconds": int() | float() as s,
            "check": str(check),
        } if _check({name: value for name, value in body.items() if name != "check"}) == check:
            record = Record(parse_document(document), output, when, float(s))
            if record.document.key == key:
                return record
    raise ValueError("a record is not what was written")


class RecordFiles:
    """Records of one lifecycle, a small file per phase, the most recently used record first.

    ``folder`` is made when the first record is written. ``warn`` hears why a file was not believed.
    """

    def __init__(self, folder: str, warn: Callable[[str], None] = SILENT.warn) -> None:
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
            text = json.dumps(body, ensure_ascii=False, indent=1) + "\n"
            write_beside(self._path(phase), text.encode(), flush=False)  # five a build; a torn one is a miss
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
