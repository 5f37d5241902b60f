"""Lifecycles as values: phases, the key of a phase, and why a phase must run (DESIGN 11, EXAMPLES 7).

A *key document* states everything that goes into one phase: lifecycle and version, phase, inputs, the previous
phase's output. Its digest is the *key*. What comes out is the *output*; the two are never mixed up. One document is
read two ways: hashed for identity, compared for an explanation, so the two cannot disagree.

Knows only values. Does not know books, containers, disks or clocks, nor how phases are run (``engine`` does).
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from panaversity_fs.core.digest import Digest, digest_of, is_digest, short
from panaversity_fs.core.errors import PhaseUnknown

KEY_VERSION = 1
"""Version of the key function itself: a change to how keys are made gives every phase another key."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
"""A commit of git, which is told as short as a digest."""

Inputs = Mapping[str, str]
"""What goes into a phase, by the name a person knows it under. A value that was not read never becomes an input."""

Particulars = Callable[[str, str, str], str]
"""Names what differs between two values of an input (its name, old, new), ``M src/css/custom.css``; empty: unknown."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One step of a lifecycle. A *volatile* phase looks at the outside world and always runs (EXAMPLES 7.2)."""

    id: str
    name: str
    description: str
    volatile: bool = False


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """An ordered tuple of phases. ``version`` is raised when a phase begins to do something else with its inputs."""

    name: str
    version: int
    phases: tuple[Phase, ...]

    def __post_init__(self) -> None:
        words = [word for phase in self.phases for word in {phase.id, phase.name}]
        if len(set(words)) != len(words):
            raise ValueError(f"lifecycle {self.name}: two phases share an id or a name")

    def find(self, given: str, operation: str = "build") -> Phase:
        """The phase with this id or name. Raises ``PhaseUnknown`` listing the phases there are."""
        for phase in self.phases:
            if given in (phase.id, phase.name):
                return phase
        known = [f"{phase.id} {phase.name}" for phase in self.phases]
        raise PhaseUnknown(
            operation, given, "is not a phase", f"Name one of: {', '.join(known)}", given=given, known=known
        )


@dataclass(frozen=True, slots=True)
class KeyDocument:
    """Everything that went into one phase. ``previous`` is the output of the phase before, None for the first."""

    lifecycle: str
    version: int
    phase: str
    inputs: Inputs
    previous: str | None

    def canonical(self) -> bytes:
        """Canonical JSON: sorted keys, no spaces, UTF-8, the version of the key function inside."""
        return json.dumps(
            {"key_version": KEY_VERSION, **self.to_json()}, sort_keys=True, ensure_ascii=False, separators=(",", ":")
        ).encode()

    @property
    def key(self) -> Digest:
        """The identity of the computation: SHA-256 of the canonical text."""
        return digest_of(self.canonical())

    def to_json(self) -> dict[str, object]:
        """The document as JSON values; ``parse_document`` is its inverse."""
        return {
            "lifecycle": self.lifecycle,
            "version": self.version,
            "phase": self.phase,
            "inputs": dict(self.inputs),
            "previous": self.previous,
        }


def parse_document(body: object) -> KeyDocument:
    """Read a remembered document. Raises ``ValueError`` for anything ``to_json`` would not have written."""
    match body:
        case {
            "lifecycle": str(lifecycle),
            "version": int(version),
            "phase": str(phase),
            "inputs": dict(inputs),
            "previous": (str() | None) as previous,
            **rest,
        } if not rest and all(isinstance(k, str) and isinstance(v, str) for k, v in inputs.items()):
            return KeyDocument(lifecycle, version, phase, inputs, previous)
    raise ValueError("not a key document")


def document_of(lifecycle: Lifecycle, phase: Phase, inputs: Inputs, previous: str | None) -> KeyDocument:
    """The key document of one phase of one lifecycle."""
    return KeyDocument(lifecycle.name, lifecycle.version, phase.id, inputs, previous)


class Cause(StrEnum):
    """The six reasons why a phase runs, in the words people read (DESIGN 11)."""

    ALWAYS = "always runs"
    REQUESTED = "rebuild requested"
    NEVER = "never built"
    CHANGED = "changed"
    PREVIOUS = "previous phase changed"
    GONE = "snapshot gone"


@dataclass(frozen=True, slots=True)
class Reason:
    """One cause with its particulars, printed as one line."""

    cause: Cause
    detail: str = ""

    def __str__(self) -> str:
        if self.cause is Cause.CHANGED:
            return f"{self.cause}: {self.detail}"
        return f"{self.cause} ({self.detail})" if self.detail else str(self.cause)


def no_particulars(_name: str, _old: str, _new: str) -> str:
    """Nothing is known but the two values."""
    return ""


def explain(
    phase: Phase,
    current: KeyDocument,
    remembered: KeyDocument | None,
    *,
    forced: bool = False,
    gone: str | None = None,
    particulars: Particulars = no_particulars,
) -> Reason | None:
    """Why this phase must run; None when what is remembered can be believed.

    ``remembered`` is the document under the current key if there is one, else the last one of this phase (None: never
    built). ``gone`` says what is wrong with the remembered output, None when nothing is.
    """
    if phase.volatile:
        return Reason(Cause.ALWAYS)
    if forced:
        return Reason(Cause.REQUESTED)
    if remembered is None:
        return Reason(Cause.NEVER)
    if changes := changed_inputs(remembered, current, particulars):
        return Reason(Cause.CHANGED, ", ".join(changes))
    if remembered.previous != current.previous:
        return Reason(Cause.PREVIOUS, f"{_shown(remembered.previous)} → {_shown(current.previous)}")
    return None if gone is None else Reason(Cause.GONE, gone)


def changed_inputs(old: KeyDocument, new: KeyDocument, particulars: Particulars = no_particulars) -> list[str]:
    """``name (old → new)``, or ``name (what differs)``, for each input that differs, the lifecycle itself first."""
    changes = []
    if (old.lifecycle, old.version) != (new.lifecycle, new.version):
        changes.append(f"lifecycle ({old.lifecycle} {old.version} → {new.lifecycle} {new.version})")
    for name in sorted({*old.inputs, *new.inputs}):
        before, after = old.inputs.get(name), new.inputs.get(name)
        if before != after:
            known = particulars(name, before, after) if before is not None and after is not None else ""
            changes.append(f"{name} ({known or f'{_shown(before)} → {_shown(after)}'})")
    return changes


def _shown(value: str | None) -> str:
    if value is None:
        return "none"
    return short(value) if is_digest(value) or _COMMIT.fullmatch(value) else value


def require_phases(lifecycle: Lifecycle, given: Iterable[str], operation: str = "build") -> frozenset[str]:
    """The ids of the named phases. Raises ``PhaseUnknown`` for the first that does not exist."""
    return frozenset(lifecycle.find(word, operation).id for word in given)
