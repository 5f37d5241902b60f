"""Which built sites are let go: the rule against one that tries every set of objects."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from panaversity_fs.core.digest import digest_of
from panaversity_fs.library.site_policy import SitePolicy, size_of
from panaversity_fs.store.blobs import BlobKey
from panaversity_fs.store.site_cache_rows import SiteRow

START = datetime(2030, 1, 1, tzinfo=UTC)


def row(number: int, site: int, hours: int, sizes: Sequence[int]) -> SiteRow:
    """The ``number``-th key; equal ``site`` numbers share an object."""
    digest, when = digest_of(b"%d" % site), START + timedelta(hours=hours)
    key = digest_of(b"key %d" % number)
    return SiteRow("bk", 1, key, "", digest, digest, site, sizes[site], 0, "me", START, when)


@st.composite
def rows(draw: st.DrawFn) -> list[SiteRow]:
    sizes = draw(st.lists(st.integers(0, 9), min_size=6, max_size=6))
    made = draw(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), max_size=8))
    return [row(number, site, hours, sizes) for number, (site, hours) in enumerate(made)]


def used(held: Sequence[SiteRow]) -> list[BlobKey]:
    """Objects, the least recently used first."""
    last = {r.object: max(o.last_used_at for o in held if o.object == r.object) for r in held}
    return sorted(last, key=lambda key: (last[key], key.name))


@given(rows(), st.integers(0, 40), st.data())
def test_the_least_recently_used_go_until_the_rest_fits_and_not_one_more(
    held: list[SiteRow], quota: int, data: st.DataObject
) -> None:
    keep = data.draw(st.sampled_from([None, *(r.object for r in held)]))
    going = SitePolicy(quota).surplus(held, keep)
    stays = [r for r in held if r not in going]
    gone = {r.object for r in going}
    order = [key for key in used(held) if key != keep]
    assert {r.object for r in stays} & gone == set(), "an object goes with every key that names it"
    assert gone == set(order[: len(gone)]), "somebody younger went"
    assert keep not in gone
    assert size_of(stays) <= quota or gone == set(order)
    if gone:
        before = [r for r in held if r.object not in set(order[: len(gone) - 1])]
        assert size_of(before) > quota, "one more went than had to"


@given(rows())
def test_equal_sites_are_counted_once(held: list[SiteRow]) -> None:
    objects = {r.object: r.size for r in held}
    assert size_of(held) == sum(objects.values())
    for left in range(len(held)):
        for some in list(combinations(held, left))[:20]:
            assert size_of(some) <= size_of(held)


@given(st.integers(0, 100), st.integers(1, 100))
def test_a_site_is_over_when_nobody_used_it_for_so_long(hours: int, unused: int) -> None:
    policy = SitePolicy(unused=timedelta(hours=unused))
    assert policy.is_over(row(1, 1, 0, [0, 0]), START + timedelta(hours=hours)) is (hours >= unused)
