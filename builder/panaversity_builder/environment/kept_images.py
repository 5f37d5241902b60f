"""What the engine remembers of an environment, kept on the images themselves: full key, key document, when, how long.

A tag is for people, the label holds the key: an image counts only with the whole key in its label. An image takes over
the labels of the one it was made of, so the last has the records of all phases: snapshots that were pruned in the
middle are not missed before one of them is needed, and another checkout on this machine finds what was built here.

Knows labels and tags; does not know what phases do or which program keeps images.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from panaversity_builder.engine import THERE, Presence
from panaversity_builder.environment.backend.port import Backend, Image
from panaversity_builder.environment.recipe import ENVIRONMENT
from panaversity_builder.lifecycle import KeyDocument, Phase, parse_document
from panaversity_builder.snapshots import Record
from panaversity_fs.core.digest import short
from panaversity_fs.core.errors import OutputLocked

LABEL = "org.panaversity.environment."
KEY = LABEL + "key"
"""The key of the phase that an image is the snapshot of."""
PROJECT = LABEL + "project"
"""The folder of the project that made an image: whose it is when no configuration names it any more. Not in the key."""
FILE = LABEL + "file"
"""The file that described it, absolute: an environment is taken out when that is gone. Not in the key."""
KEY_TAG_DIGITS = 32
PIECE = 30_000
"""Characters of a label: a system takes arguments of at most 128 KiB, and a character has up to four bytes."""

_PHASES = "|".join(f"{phase.id}-{phase.name}" for phase in ENVIRONMENT.phases)
_OURS = re.compile(rf"{_PHASES}|final-[0-9a-f]+|key-[0-9a-f]{{{KEY_TAG_DIGITS}}}|kept-[0-9a-f]+")


def prefix_of(name: str) -> str:
    """What the tags of one environment begin with."""
    return f"habitat-{name}:"


def snapshot_tag(name: str, phase: Phase) -> str:
    """``habitat-discourse:7-repos``: the snapshot of a phase that was used last."""
    return f"{prefix_of(name)}{phase.id}-{phase.name}"


def final_tag(name: str, key: str) -> str:
    """``habitat-discourse:final-0b2c…``: the finished environment, by its content."""
    return f"{prefix_of(name)}final-{short(key)}"


def key_tag(name: str, key: str) -> str:
    """The tag by which a snapshot is kept, also when others of its phase are used."""
    return f"{prefix_of(name)}key-{key[:KEY_TAG_DIGITS]}"


def spare_tag(name: str, image_id: str) -> str:
    """The tag of an image that lost its others while somebody used it."""
    return f"{prefix_of(name)}kept-{image_id.removeprefix('sha256:')[:12]}"


def is_ours(tag: str) -> bool:
    """True for a tag that one of the functions above gives; others' images may begin their names so, too."""
    return _OURS.fullmatch(tag.rpartition(":")[2]) is not None


def labels_of(record: Record) -> dict[str, str]:
    """A record as labels of its phase; ``record_of`` is its inverse. A long document takes several labels."""
    text = record.document.canonical().decode()
    document, finished, seconds = _names(record.document.phase)
    pieces = [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
    documents = {document + (f".{number}" if number else ""): piece for number, piece in enumerate(pieces)}
    return {KEY: record.document.key, **documents, finished: record.finished_at, seconds: f"{record.seconds:.3f}"}


def record_of(labels: Mapping[str, str], phase_id: str) -> Record | None:
    """The record of a phase on an image; None for anything ``labels_of`` would not have written."""
    name, finished, seconds = _names(phase_id)
    pieces = [labels.get(name, "")]
    while len(pieces[-1]) == PIECE and (piece := labels.get(f"{name}.{len(pieces)}")):
        pieces.append(piece)
    try:
        body = json.loads("".join(pieces))
        body.pop("key_version")
        document = parse_document(body)
        if (document.lifecycle, document.phase) != (ENVIRONMENT.name, phase_id):
            return None
        return Record(document, document.key, labels.get(finished, ""), float(labels[seconds]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def own_record(labels: Mapping[str, str]) -> Record | None:
    """The record of the phase that an image is the snapshot of."""
    records = (record_of(labels, phase.id) for phase in ENVIRONMENT.phases)
    return next((one for one in records if one and one.document.key == labels.get(KEY)), None)


def _names(phase_id: str) -> tuple[str, str, str]:
    return f"{LABEL}{phase_id}.document", f"{LABEL}{phase_id}.finished-at", f"{LABEL}{phase_id}.seconds"


class KeptImages:
    """The snapshots of one environment as the engine's records."""

    def __init__(self, backend: Backend, name: str) -> None:
        self._backend, self._name = backend, name
        self._images: list[Image] | None = None

    @property
    def images(self) -> Sequence[Image]:
        """Every image of this environment."""
        if self._images is None:
            self._images = list(self._backend.images(prefix_of(self._name)))
        return self._images

    def image(self, key: str) -> Image | None:
        """The snapshot kept under this key: by its tag, and with the whole key in its label."""
        image = self._tagged(key_tag(self._name, key))
        return image if image and image.labels.get(KEY) == key else None

    def last(self) -> Image | None:
        """The finished image that was built or believed last, by whatever project."""
        return self._tagged(snapshot_tag(self._name, ENVIRONMENT.phases[-1]))

    def find(self, document: KeyDocument) -> Record | None:
        """See ``engine.Records``: on the snapshot of a later phase, which has it too, or on its own."""
        own = self._tagged(key_tag(self._name, document.key))
        found = (record_of(one.labels, document.phase) for one in (*self._later(document.phase), own) if one)
        return next((one for one in found if one and one.document.key == document.key), None)

    def _later(self, phase_id: str) -> Iterator[Image | None]:
        """The snapshots of this phase and those after it, the last first: that one tells of all."""
        for phase in reversed(ENVIRONMENT.phases):
            yield self._tagged(snapshot_tag(self._name, phase))
            if phase.id == phase_id:
                return

    def _tagged(self, tag: str) -> Image | None:
        return next((one for one in self.images if tag in one.tags), None)

    def latest(self, phase_id: str) -> Record | None:
        """See ``engine.Records``: the record on the image that has the phase's tag."""
        image = self._tagged(snapshot_tag(self._name, ENVIRONMENT.find(phase_id)))
        return record_of(image.labels, phase_id) if image else None

    def remember(self, record: Record) -> None:
        """See ``engine.Records``: what the record says is on the image since it was made; it gets the phase's tag."""
        if image := self.image(record.document.key):
            self.name(image, snapshot_tag(self._name, ENVIRONMENT.find(record.document.phase)))

    def check(self, record: Record) -> Presence:
        """Whether the image is there."""
        if self.image(record.document.key) is not None:
            return THERE
        return Presence(False, f"no image is labelled {short(record.document.key)}")

    def add(self, image: Image) -> None:
        """Know of an image that was made now, and that its tags are no other's."""
        self._images = [*_without(self.images, image.tags), image]

    def name(self, image: Image, tag: str) -> None:
        """Give an image one more tag, unless it has it."""
        if tag not in image.tags:
            self.make_room(tag)
            self._backend.tag(image, tag)
            others = [one for one in _without(self.images, [tag]) if one.id != image.id]
            self._images = [*others, replace(image, tags=(*image.tags, tag))]

    def make_room(self, tag: str) -> None:
        """Let an image go that has no other tag than this one, which is about to be another's."""
        if any(one.tags == (tag,) for one in self.images):
            self._untag(tag)

    def forget(self, keys: Iterable[str]) -> None:
        """Let nothing be found under these keys any more."""
        for key in keys:
            if self.image(key) is not None:
                self._untag(key_tag(self._name, key))

    def _untag(self, tag: str) -> None:
        """An image that somebody uses now gets a tag by which it can be let go later."""
        try:
            self._backend.untag(tag)
        except OutputLocked:
            image = self._tagged(tag)
            if image is None or (spare := spare_tag(self._name, image.id)) == tag:
                raise
            self._backend.tag(image, spare)
            self._backend.untag(tag)
            self._images = [one for one in self.images if one.id != image.id]
            self._images.append(replace(image, tags=(spare, *(one for one in image.tags if one != tag))))
        else:
            self._images = _without(self.images, [tag])


def _without(images: Iterable[Image], tags: Iterable[str]) -> list[Image]:
    """The images as they are when these tags are nobody's; one that has none left is gone."""
    taken = set(tags)
    left = (replace(one, tags=tuple(tag for tag in one.tags if tag not in taken)) for one in images)
    return [one for one in left if one.tags]
