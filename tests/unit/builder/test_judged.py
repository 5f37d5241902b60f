"""A value of a document that anybody may have written is what it has to be, or an error that says what it was."""

import pytest

from panaversity_builder.judged import a_count, a_digest, a_digest_or_none, a_text
from panaversity_fs.core.digest import digest_of

ANY = (None, True, False, -1, 0, 3, 1.5, "", "text", b"bytes", [], {}, "F" * 64, "f" * 63, digest_of(b"x"))


@pytest.mark.parametrize(
    ("judge", "good"),
    [
        (a_text, ["", "text", "F" * 64, "f" * 63, digest_of(b"x")]),
        (a_count, [0, 3]),
        (a_digest, [digest_of(b"x")]),
        (a_digest_or_none, [None, digest_of(b"x")]),
    ],
)
def test_each_judge_lets_through_its_own_kind_and_nothing_else(judge, good):
    passed = []
    for value in ANY:
        try:
            passed.append(judge(value))
        except (TypeError, ValueError):
            continue
    assert [(type(value), value) for value in passed if value is not None] == [
        (type(value), value) for value in good if value is not None
    ]
    assert passed == good
