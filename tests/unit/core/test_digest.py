"""Digests: one spelling only."""

import hashlib

import pytest

from panaversity_fs.core.digest import EMPTY, digest_of, is_digest, parse_digest, short
from panaversity_fs.core.errors import InvalidArgument

GOOD = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

BAD = [
    "",
    GOOD[:63],
    GOOD + "0",
    GOOD.upper(),
    GOOD + "\n",
    "\n" + GOOD,
    " " + GOOD[1:],
    "g" + GOOD[1:],
    "０" * 64,
    "sha256:" + GOOD,
    GOOD.encode(),
    None,
    0,
    [GOOD],
]


def test_the_digest_of_bytes_is_their_sha_256_in_lower_case_hexadecimal() -> None:
    assert digest_of(b"PanaversityFS") == hashlib.sha256(b"PanaversityFS").hexdigest()
    assert digest_of(b"") == EMPTY == GOOD


@pytest.mark.parametrize("text", BAD, ids=repr)
def test_another_spelling_is_no_digest(text: object) -> None:
    assert not is_digest(text)
    with pytest.raises(InvalidArgument) as caught:
        parse_digest(text, "plan", "target_manifest_hash")
    assert str(caught.value) == (
        "plan: target_manifest_hash: is not a digest. Give 64 lower-case hexadecimal digits of SHA-256."
    )
    assert caught.value.details == {"name": "target_manifest_hash"}


def test_a_digest_is_taken_as_it_is() -> None:
    assert is_digest(GOOD)
    assert parse_digest(GOOD, "plan") == GOOD


def test_the_short_form_has_twelve_digits() -> None:
    assert short(GOOD) == "e3b0c44298fc"
