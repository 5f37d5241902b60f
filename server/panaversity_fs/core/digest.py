"""Digests: lower-case hexadecimal SHA-256 of bytes, the only name bytes have here.

Knows how a digest is made, parsed and shortened; does not know what the bytes are for.
"""

import hashlib
import re
from typing import NewType

from panaversity_fs.core.errors import InvalidArgument

Digest = NewType("Digest", str)

_FORM = re.compile(r"[0-9a-f]{64}")

EMPTY: Digest = Digest(hashlib.sha256(b"").hexdigest())


def digest_of(data: bytes) -> Digest:
    """The digest of these bytes, all at once."""
    return Digest(hashlib.sha256(data).hexdigest())


def is_digest(text: object) -> bool:
    """True for exactly 64 lower-case hexadecimal digits; no other spelling is accepted anywhere."""
    return isinstance(text, str) and _FORM.fullmatch(text) is not None


def parse_digest(text: object, operation: str, name: str = "digest") -> Digest:
    """Take a digest from outside. Raises ``InvalidArgument`` naming the argument."""
    if not is_digest(text):
        raise InvalidArgument(
            operation, name, "is not a digest", "Give 64 lower-case hexadecimal digits of SHA-256", name=name
        )
    return Digest(str(text))


def short(digest: str) -> str:
    """The first twelve digits, for people. Never an identity."""
    return digest[:12]
