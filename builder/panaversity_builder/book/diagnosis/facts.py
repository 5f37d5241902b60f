"""The facts a diagnosis rests on, and the shape of what it finds.

PURE: values only. A fact that could not be learned is None or an error kept as a value; nothing here is raised.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from panaversity_builder.book.inspection.survey import Survey
from panaversity_fs.core.errors import PanaversityError

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: what is so, and what to do about it.

    ``exit_status`` is what a build would end with because of a ``problem`` (DESIGN 10).
    """

    check: str
    level: Level
    says: str
    do: str = ""
    exit_status: int = 0
    listed: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The machine format."""
        body: dict[str, Any] = {"check": self.check, "level": self.level, "says": self.says}
        return {**body, "do": self.do or None, "listed": list(self.listed), "exit_status": self.exit_status}


@dataclass(frozen=True, slots=True)
class SettingFacts:
    """The settings in force: name → (value as it may be shown, origin), and the folders as absolute paths."""

    shown: Mapping[str, tuple[str, str]]
    root: str
    site_dir: str
    source_dir: str
    output_dir: str
    book_id: str | None = None
    server_url: str | None = None
    token: str | None = field(default=None, repr=False)
    numbering: str | None = None


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """Bytes free where the project lies, whether its state folder takes files, Node, and what caches hold (bytes)."""

    free_bytes: int | None = None
    unwritable: str | None = None
    node: str | None = None
    in_git: bool = False
    server_part: bool = True
    caches: Mapping[str, tuple[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """The source tree: file count and bytes, refused and ignored names, numbering as found, ``@site/docs`` users.

    ``error`` says why there is no tree; ``doubt`` why its numbering cannot be told.
    """

    files: int = 0
    size: int = 0
    ignored: int = 0
    refused: tuple[str, ...] = ()
    numbering: str | None = None
    doubt: PanaversityError | None = None
    site_imports: tuple[str, ...] = ()
    error: PanaversityError | None = None


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """The server as it answered: ``health`` is its readiness, ``date`` its clock, ``asked`` and ours around it.

    ``error`` is why it did not answer; ``refusal`` why it would not plan; ``book`` is "known", "unknown" or None.
    """

    health: Mapping[str, Any] | None = None
    date: datetime | None = None
    now: datetime | None = None
    error: PanaversityError | None = None
    refusal: PanaversityError | None = None
    book: str | None = None
    book_numbering: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a diagnosis knows. ``server`` is None when there is none configured.

    ``told`` is what the site's own check found, empty where that is not installed.
    """

    settings: SettingFacts
    machine: MachineFacts
    site: Survey
    source: SourceFacts
    server: ServerFacts | None
    version: str
    told: tuple[Finding, ...] = ()
