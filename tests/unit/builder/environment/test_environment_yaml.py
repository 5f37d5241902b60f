"""YAML as a tree in which every value knows its place; what is refused says where it stands."""

import pytest

from panaversity_builder.environment.settings.origins import Findings
from panaversity_builder.environment.settings.yaml_source import Block, Items, Text, origin_of, parse, plain


def read(text: str | bytes) -> object:
    return plain(parse(text.encode() if isinstance(text, str) else text, "c.yaml"))


def finding(text: str | bytes) -> str:
    with pytest.raises(Findings) as caught:
        read(text)
    return str(caught.value.findings[0])


def test_every_value_is_the_text_that_stands_there() -> None:
    text = "a: 1.10\nb: 0644\nc: no\nd: 2026-01-01\ne: 1:30\nf: 'true'\ng: 0x1F\nh: |\n  x\n  y\n"
    assert read(text) == {
        "a": "1.10",
        "b": "0644",
        "c": "no",
        "d": "2026-01-01",
        "e": "1:30",
        "f": "true",
        "g": "0x1F",
        "h": "x\ny\n",
    }


@pytest.mark.parametrize("nothing", ["", "~", "null", "Null", "NULL"])
def test_only_an_empty_value_is_nothing(nothing: str) -> None:
    assert read(f"a: {nothing}\nb: '{nothing}'\n") == {"a": None, "b": nothing}


def test_a_value_knows_its_line_and_column() -> None:
    tree = parse(b"a:\n  - x\n  - b: y\n", "c.yaml")
    assert str(origin_of(tree, ("a", 1, "b"))) == "c.yaml:3:8"
    assert str(origin_of(tree, ("a", 0))) == "c.yaml:2:5"
    assert str(tree.keys["a"]) == "c.yaml:1:1"


def test_what_is_not_there_is_where_it_would_be() -> None:
    tree = parse(b"a:\n  - b: y\n", "c.yaml")
    assert str(origin_of(tree, ("a", 0, "missing"))) == "c.yaml:2:5"
    assert str(origin_of(tree, ("a", 7))) == "c.yaml:2:3"


def test_an_empty_file_says_nothing() -> None:
    assert read("") == {}
    assert read("# only a remark\n") == {}


def test_aliases_and_merges_are_followed() -> None:
    text = "one: &x {a: 1, b: 2}\ntwo: *x\nthree: {<<: *x, b: 3}\nfour: {<<: [{a: 9}, *x], c: 4}\n"
    assert read(text) == {
        "one": {"a": "1", "b": "2"},
        "two": {"a": "1", "b": "2"},
        "three": {"a": "1", "b": "3"},
        "four": {"a": "9", "b": "2", "c": "4"},
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: [x\n", "c.yaml:3:1: is not YAML: "),
        ("a: 1\n\tb: 2\n", "c.yaml:2:1: is not YAML: found character"),
        ("a: *nobody\n", "c.yaml:1:4: is not YAML: found undefined alias 'nobody'"),
        ("- a\n", "c.yaml:1:1: is not a mapping of keys to values"),
        ("just words\n", "c.yaml:1:1: is not a mapping of keys to values"),
        ("a: 1\nb: 2\na: 3\n", "c.yaml:3:1: a: is given twice. It stands at c.yaml:1:1 already"),
        ("a: !!python/object/apply:os.system [id]\n", "c.yaml:1:4: a: has the tag 'python/object/apply:os.system'"),
        ("a: !!binary aGk=\n", "c.yaml:1:4: a: has the tag 'binary'"),
        ("a: !!set {x}\n", "c.yaml:1:4: a: has the tag 'set'"),
        ("a: 1\n---\nb: 2\n", "c.yaml:2:1: is not YAML: but found another document"),
        ("a: &x [*x]\n", "c.yaml:1:4: a[0]: contains itself"),
        ("? [a, b]\n: 1\n", "c.yaml:1:3: has a key that is not a text"),
        ('a: "x\\0y"\n', "c.yaml:1:4: a: holds a NUL or half a character"),
        ('a: "\\ud800"\n', "c.yaml:1:4: a: holds a NUL or half a character"),
        ('"\\0": 1\n', "c.yaml:1:1: holds a NUL or half a character"),
        (b"a: x\x00y\n", "c.yaml: is not YAML: "),
        (b"a: \xff\n", "c.yaml: is not YAML: "),
        ("a: {<<: x}\n", "does not name a mapping"),
        ('a: "\\UFFFFFFFF"\n', "has an escape that is no character"),
    ],
)
def test_what_is_refused_says_where_it_stands(text: str | bytes, told: str) -> None:
    assert told in finding(text)


def test_a_bomb_of_aliases_is_refused_before_it_swells() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    assert "makes more than 50000 values" in finding("\n".join(levels))


def test_a_bomb_of_merges_is_refused_before_it_swells() -> None:
    levels = ["a0: &a0 {x: 1}"]
    levels += [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}" for i in range(1, 30)]
    assert "makes more than 50000 values" in finding("\n".join(levels))


@pytest.mark.parametrize("text", ["[" * 500, "a: " + "[" * 20000, "{a: " * 20000, "- " * 5000])
def test_nesting_without_end_is_refused(text: str) -> None:
    assert "nested too deeply" in finding(text) or "is not YAML" in finding(text)


def test_nesting_of_a_hundred_levels_is_refused_by_its_place() -> None:
    assert "nested too deeply" in finding("a: " + "[" * 120 + "]" * 120)


def test_a_file_without_end_is_refused() -> None:
    assert "is larger than 1048576 bytes" in finding(b"#" * (1 << 20) + b"#")


def test_a_tree_has_three_kinds_of_nodes() -> None:
    tree = parse(b"a: [x]\n", "c.yaml")
    assert isinstance(tree, Block)
    (items,) = tree.entries.values()
    assert isinstance(items, Items)
    assert isinstance(items.items[0], Text)
