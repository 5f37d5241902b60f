"""The images of a buildah storage, listed with their labels.

Knows buildah's words for images; does not know containers or phases.
"""

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from panaversity_builder.environment.backend.naming import LOCAL
from panaversity_builder.environment.backend.port import Image
from panaversity_builder.environment.backend.tool import Tool

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_OWN_LABEL = "io.buildah.version"


class Labels(Mapping[str, str]):
    """The labels of one image, asked for when somebody looks at them: buildah tells those of one image a call."""

    def __init__(self, tool: Tool, number: str) -> None:
        self._tool, self._number = tool, number

    @functools.cached_property
    def _told(self) -> dict[str, str]:
        body = json.loads(self._tool.call("inspect", "--type", "image", self._number))
        labels = body["OCIv1"].get("config", {}).get("Labels") or {}
        return {name: value for name, value in labels.items() if name != _OWN_LABEL}

    def __getitem__(self, name: str) -> str:
        return self._told[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._told)

    def __len__(self) -> int:
        return len(self._told)

    def __repr__(self) -> str:
        return repr(self._told)


def tagged_images(tool: Tool, prefix: str) -> Sequence[Image]:
    """All images with a tag that begins so."""
    found = []
    for row in rows(tool, "images"):
        tags = tuple(tag.removeprefix(LOCAL) for tag in row.get("names") or ())
        if ours := tuple(tag for tag in tags if tag.startswith(prefix)):
            created, size = _utc(str(row.get("createdatraw", ""))), _bytes(str(row.get("size", "")))
            found.append(Image(_id(row), ours, Labels(tool, _id(row)), size, created))
    return found


def rows(tool: Tool, what: str) -> list[Any]:
    """What ``buildah images`` or ``buildah containers`` lists."""
    words = ("--json", "--no-trunc") if what == "images" else ("--json",)
    return json.loads(tool.call(what, *words)) or []


def _id(row: Any) -> str:
    return str(row["id"]).removeprefix("sha256:")


def _utc(text: str) -> str:
    """``2026-11-20T16:22:41.082316374Z`` without the digits nobody can read back."""
    try:
        return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC).isoformat(timespec="seconds")
    except ValueError:
        return ""


def _bytes(text: str) -> int:
    """``2.13 MB`` as bytes, as exactly as buildah tells them."""
    number, _, unit = text.partition(" ")
    try:
        return int(float(number) * _UNITS[unit.upper()])
    except (ValueError, KeyError):
        return 0
