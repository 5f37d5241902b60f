"""Range, conditions and encodings as RFC 9110 reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_fs.api.negotiation import Span, Unsatisfiable, choose_encoding, etag, none_match, parse_range

TAG = etag("d")


@given(size=st.integers(0, 50), first=st.integers(0, 60), last=st.integers(0, 60))
def test_a_range_is_what_slicing_the_bytes_gives(size: int, first: int, last: int) -> None:
    data = bytes(range(size))
    try:
        span = parse_range(f"bytes={first}-{last}", None, TAG, size)
    except Unsatisfiable:
        assert first >= size
        return
    if span is None:
        assert last < first
    else:
        assert data[span.start : span.end] == data[first : last + 1] != b""


@given(size=st.integers(0, 50), length=st.integers(0, 60))
def test_a_suffix_range_is_the_end_of_the_bytes(size: int, length: int) -> None:
    try:
        span = parse_range(f"bytes=-{length}", None, TAG, size)
    except Unsatisfiable:
        assert 0 in (size, length)
    else:
        assert span == Span(max(0, size - length), size)


@given(st.text(max_size=30))
def test_a_malformed_range_means_the_whole(header: str) -> None:
    if "bytes" not in header.lower():
        assert parse_range(header, None, TAG, 10) is None


def test_if_range_must_be_the_very_tag() -> None:
    assert parse_range("bytes=1-2", TAG, TAG, 10) == Span(1, 3)
    for other in ('"x"', f"W/{TAG}", "Fri, 20 Nov 2026 00:00:00 GMT"):
        assert parse_range("bytes=1-2", other, TAG, 10) is None


@pytest.mark.parametrize(("header", "match"), [(None, False), ("*", True), (TAG, True), (f'"a", W/{TAG}', True),
                                               ("d", False), ('"e"', False)])  # fmt: skip
def test_if_none_match_compares_weakly(header: str | None, match: bool) -> None:
    assert none_match(header, TAG) is match


@pytest.mark.parametrize(
    ("header", "chosen"),
    [(None, "identity"), ("", "identity"), ("zstd", "zstd"), ("gzip", "gzip"), ("gzip, zstd", "zstd"),
     ("gzip;q=1.0, zstd;q=0.5", "gzip"), ("zstd;q=0", "identity"), ("*", "zstd"), ("*;q=0", "identity"),
     ("br", "identity"), ("GZIP", "gzip"), ("zstd;q=x", "identity"), ("zstd;q=7", "identity"),
     ("identity;q=1, gzip;q=0.1", "identity"), ("gzip;q=0.001", "gzip"), ("br;q=1, *;q=0.1, zstd;q=0", "gzip")],
)  # fmt: skip
def test_the_encoding_is_the_one_the_caller_likes_best(header: str | None, chosen: str) -> None:
    assert choose_encoding(header) == chosen
