"""The files hydrate leaves behind, byte for byte: a changed format shows as a changed file here.

To regenerate after a change that is meant: run this file with ``PANAVERSITY_REGENERATE_GOLDEN=1`` in the environment.
"""

import os
from pathlib import Path

import pytest

from panaversity_builder.book.hydrate.records import (
    Identity,
    Index,
    Owned,
    Pending,
    render_identity,
    render_index,
    render_plan,
)
from panaversity_fs.core.digest import EMPTY, digest_of
from panaversity_fs.core.mapping import Numbering

GOLDEN = Path(__file__).parent / "hydrate"
IDENTITY = Identity("sample", digest_of(b"manifest"), "store-1", 1, Numbering.NAME_NUMBER, "source", "all")
CHANGES = {"Part-01/new.md": Pending(None, EMPTY), "Part-01/old.md": Pending(EMPTY, None)}
INDEX = Index(
    {"Part-01/ä.md": Owned(digest_of(b"a"), 1, (1, 2, 3, 4)), "README.md": Owned(EMPTY, 0)}, {"Part-01"}, CHANGES
)
FORMATS = {
    "manifest.json": render_identity(IDENTITY, "2030-01-02T03:04:05Z", 2, 7),
    "index": render_index(INDEX),
    "plan.json": render_plan(IDENTITY, EMPTY, CHANGES),
}


@pytest.mark.parametrize("name", FORMATS)
def test_FR_302_the_format_is_the_one_that_was_checked_in(name):
    if os.environ.get("PANAVERSITY_REGENERATE_GOLDEN"):
        (GOLDEN / name).write_bytes(FORMATS[name])
    assert FORMATS[name] == (GOLDEN / name).read_bytes()
