"""Values of a JSON document that anybody may have written, judged one by one: each is what it has to be, or an error.

PURE. Raises ``TypeError`` and ``ValueError``, which whoever reads a whole document turns into an error with a name.
Does not know which documents there are.
"""

from panaversity_fs.core.digest import Digest, is_digest


def a_text(value: object) -> str:
    """A text."""
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} instead of text")
    return value


def a_count(value: object) -> int:
    """A whole number from 0 on; true and false are none."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{type(value).__name__} instead of a count")
    return value


def a_digest(value: object) -> Digest:
    """A digest."""
    if not is_digest(value):
        raise ValueError("not a digest")
    return Digest(str(value))


def a_digest_or_none(value: object) -> Digest | None:
    """A digest, or nothing."""
    return None if value is None else a_digest(value)
