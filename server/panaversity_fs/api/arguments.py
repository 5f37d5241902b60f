"""The arguments that several tools share: their types, length caps and descriptions (S6).

Knows form only; whether a book, path or hash exists is for the library to say.
"""

import re
from typing import Annotated, Literal

from pydantic import Field

from panaversity_fs.core.digest import Digest, parse_digest
from panaversity_fs.core.errors import InvalidArgument

BookId = Annotated[str, Field(description="The book's id: 2 to 63 of a-z, 0-9 and -.", max_length=63)]
# No length cap on paths here: the grammar refuses long ones in its own words.
Path = Annotated[str, Field(description="Path inside the book, for example content/01-Part/02-Chapter/03-lesson.md.")]
UserId = Annotated[
    str | None,
    Field(
        description="Id of the user whose private overlay is meant; left out: the base, which everybody sees.",
        max_length=128,
    ),
]
ExpectedHash = Annotated[
    str | None,
    Field(
        description="SHA-256 (64 lower-case hexadecimal digits) the file has now, as read_content answered it. "
        "Leave it out only to create a new file.",
        max_length=64,
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Field(description="A random key of yours; repeating the call with it has one effect only.", max_length=200),
]
Cursor = Annotated[str | None, Field(description="next_cursor of the page before.", max_length=1400)]
AssetType = Literal["img", "images", "slides", "videos", "audio"]
Asset = Annotated[AssetType, Field(description="Kind of asset; images is read as img.")]
Filename = Annotated[
    str, Field(description="Path below static/{asset_type}/, for example 01-Part/02-Chapter/diagram.png.")
]

_KEY = re.compile(r"[\x21-\x7e]{1,200}")


def asset_folder(kind: AssetType) -> str:
    """The folder of a kind of asset, without slashes at its ends."""
    return "static/img" if kind == "images" else f"static/{kind}"


def expected(text: str | None, operation: str) -> Digest | None:
    """The expected hash, parsed. Raises ``InvalidArgument``."""
    return None if text is None else parse_digest(text, operation, "expected_hash")


def require_key(key: str | None, operation: str) -> str | None:
    """The idempotency key itself, or None when none was given. Raises ``InvalidArgument`` for unprintable ones."""
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidArgument(
            operation, "idempotency_key", "is not 1 to 200 printable ASCII characters", "Use a random key",
            name="idempotency_key", reason="is malformed",
        )  # fmt: skip
    return key


def as_bytes(text: str, operation: str, name: str) -> bytes:
    """UTF-8 bytes of a text argument. Raises ``InvalidArgument`` for lone surrogates, which have none."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(
            operation, name, "is not valid Unicode text", "Send UTF-8", name=name, reason="holds a lone surrogate"
        ) from None
