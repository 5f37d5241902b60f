"""The mapping of whole trees: nothing is lost, nothing meets, both numberings."""

from hypothesis import given
from hypothesis import strategies as st

from panaversity_builder.book.mapping import map_tree
from panaversity_fs.core.mapping import Numbering, decode
from panaversity_fs.core.schema import Schema

FOLDERS = st.sampled_from(
    [
        "Part-01",
        "01-Part",
        "Part-01-02",
        "01-02-x",
        "01-01",
        "img",
        "slides",
        "images",
        "Intro",
        "intro",
        "ä",
        "@",
        "01",
    ]
)
NAMES = st.sampled_from(
    ["01-x.md", "x.md", "X.md", "x.mdx", "d.png", "D.PNG", "_category_.json", "code.py", "talk.pdf", "README", "img"]
)
SOURCES = st.builds(lambda folders, name: "/".join([*folders, name]), st.lists(FOLDERS, max_size=4), NAMES)
NUMBERINGS = st.sampled_from([None, *Numbering])


@given(st.sets(SOURCES, max_size=30), NUMBERINGS)
def test_every_source_is_mapped_back_to_itself_or_refused(sources: set[str], numbering: Numbering | None) -> None:
    mapped = map_tree(sources, numbering, Schema.DOCUSAURUS)
    assert set(mapped.paths) | {refusal.source for refusal in mapped.refused} == sources
    assert not set(mapped.paths) & {refusal.source for refusal in mapped.refused}
    assert len(set(mapped.paths.values())) == len(mapped.paths)
    assert all(decode(book_path, numbering) == source for source, book_path in mapped.paths.items())
    assert not mapped.misfits


@given(st.lists(SOURCES, max_size=20, unique=True), NUMBERINGS, st.randoms())
def test_the_order_of_the_walk_does_not_matter(sources: list[str], numbering: Numbering | None, random: object) -> None:
    shuffled = list(sources)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert map_tree(sources, numbering, Schema.DOCUSAURUS) == map_tree(shuffled, numbering, Schema.DOCUSAURUS)
