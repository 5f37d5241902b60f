"""YAML as a tree of texts, lists and blocks in which every value knows its file, line and column.

YAML's guesses about types are not asked: every scalar is the text that stands there (``1.10``, ``0644`` and ``no`` stay
as they were written), and the schema says what a text must be. Only the empty value is nothing. Keys given twice, tags
of other languages, trees that contain themselves and aliases that swell are refused; ``<<`` merges as usual.

Knows YAML; does not know keys, layers or what a value means.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from panaversity_builder.environment.settings.origins import Finding, Findings, Key, Origin

MOST_BYTES = 1 << 20
MOST_VALUES = 50_000
"""How many values a file may have after its aliases were followed."""

_CORE = "tag:yaml.org,2002:"
_SCALARS = {f"{_CORE}{kind}" for kind in ("str", "int", "float", "bool", "timestamp", "null", "value", "merge")}
_MERGE = f"{_CORE}merge"
_NULLS = {"", "~", "null", "Null", "NULL"}


@dataclass(frozen=True, slots=True)
class Text:
    """One scalar as it was written; None for nothing."""

    value: str | None
    origin: Origin


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: "tuple[Tree, ...]"
    origin: Origin


@dataclass(frozen=True, slots=True)
class Block:
    """A mapping, in its order. ``keys`` says where each key stands; an ``origin`` of a value is where that begins."""

    entries: "Mapping[str, Tree]"
    keys: Mapping[str, Origin]
    origin: Origin


Tree = Text | Items | Block


def parse(data: bytes, file: str) -> Block:
    """Read one document whose top is a mapping (an empty file is an empty one). Raises ``Findings``."""
    if len(data) > MOST_BYTES:
        raise Findings([Finding(Origin(file), (), f"is larger than {MOST_BYTES} bytes", "Keep data in other files")])
    try:
        loader = yaml.SafeLoader(data)  # in Python: the C parser recurses on its own stack
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise Findings([_syntax(error, file)]) from None
    except RecursionError:
        raise Findings([Finding(Origin(file), (), "is nested too deeply")]) from None
    except (ValueError, OverflowError):  # an escape for a character that does not exist
        hint = "Write characters themselves"
        raise Findings([Finding(Origin(file), (), "has an escape that is no character", hint)]) from None
    if node is None:
        return Block({}, {}, Origin(file, 1, 1))
    tree = _Reader(file).tree(node, ())
    if not isinstance(tree, Block):
        raise Findings([Finding(tree.origin, (), "is not a mapping of keys to values", "Begin with `build:`")])
    return tree


def _syntax(error: yaml.YAMLError, file: str) -> Finding:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    origin = Origin(file, mark.line + 1, mark.column + 1) if mark else Origin(file)
    told = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
    said = " ".join("".join(c if c.isprintable() else " " for c in str(told)).split())
    return Finding(origin, (), f"is not YAML: {said}", "Correct the file there")


class _Reader:
    """One pass over the nodes of one file."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._values = 0
        self._open: set[int] = set()

    def tree(self, node: Any, key: Key) -> Tree:
        origin = self._origin(node)
        self._values += 1
        if self._values > MOST_VALUES:
            raise Findings([Finding(origin, key, f"makes more than {MOST_VALUES} values", "Use fewer aliases")])
        if id(node) in self._open:
            raise Findings([Finding(origin, key, "contains itself", "Take the alias out")])
        if len(self._open) > 100:
            raise Findings([Finding(origin, key, "is nested too deeply")])
        if isinstance(node, yaml.ScalarNode):
            return self._text(node, key, origin)
        self._open.add(id(node))
        try:
            return self._branch(node, key, origin)
        finally:
            self._open.discard(id(node))

    def _branch(self, node: Any, key: Key, origin: Origin) -> Tree:
        if node.tag == f"{_CORE}seq":
            return Items(tuple(self.tree(item, (*key, i)) for i, item in enumerate(node.value)), origin)
        if node.tag == f"{_CORE}map":
            return self._block(node, key, origin)
        raise self._tagged(node, key, origin)

    def _origin(self, node: Any) -> Origin:
        return Origin(self._file, node.start_mark.line + 1, node.start_mark.column + 1)

    def _tagged(self, node: Any, key: Key, origin: Origin) -> Findings:
        return Findings([Finding(origin, key, f"has the tag {node.tag.removeprefix(_CORE)!r}", "Write a plain value")])

    def _text(self, node: Any, key: Key, origin: Origin) -> Text:
        if node.tag not in _SCALARS:
            raise self._tagged(node, key, origin)
        if node.style is None and node.tag == f"{_CORE}null" and node.value in _NULLS:
            return Text(None, origin)
        return Text(_sound(node.value, key, origin), origin)

    def _block(self, node: Any, key: Key, origin: Origin) -> Block:
        entries: dict[str, Tree] = {}
        keys: dict[str, Origin] = {}
        merged: list[Block] = []
        for name_node, value_node in node.value:
            where = self._origin(name_node)
            if name_node.tag == _MERGE:
                merged += self._merged(value_node, key)
                continue
            name = self._name(name_node, key, where)
            if name in entries:
                hint = f"It stands at {keys[name]} already"
                raise Findings([Finding(where, (*key, name), "is given twice", hint)])
            entries[name], keys[name] = self.tree(value_node, (*key, name)), where
        for block in merged:  # what stands here itself wins, then the first that was named
            entries = {**block.entries, **entries}
            keys = {**block.keys, **keys}
        return Block(entries, keys, origin)

    def _name(self, node: Any, key: Key, where: Origin) -> str:
        if not isinstance(node, yaml.ScalarNode) or node.tag not in _SCALARS:
            raise Findings([Finding(where, key, "has a key that is not a text", "Write `key: value`")])
        return _sound(node.value, key, where)

    def _merged(self, node: Any, key: Key) -> Iterator[Block]:
        found = self.tree(node, (*key, "<<"))
        for block in found.items if isinstance(found, Items) else (found,):
            if not isinstance(block, Block):
                raise Findings([Finding(block.origin, (*key, "<<"), "does not name a mapping", "Write `<<: *anchor`")])
            yield block


def _sound(text: str, key: Key, origin: Origin) -> str:
    """A text every program can be given: no NUL, and nothing that is no character."""
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise Findings([Finding(origin, key, "holds a NUL or half a character", "Take it out")])
    return text


def plain(tree: Tree) -> Any:
    """The tree as lists, dictionaries, texts and None."""
    match tree:
        case Text():
            return tree.value
        case Items():
            return [plain(item) for item in tree.items]
        case Block():
            return {name: plain(value) for name, value in tree.entries.items()}


def origin_of(tree: Tree, key: Key) -> Origin:
    """Where the value of a key stands, or the innermost one around it.

    Words that are not there are passed over: a short form leaves them out.
    """
    for word in key:
        if isinstance(tree, Block) and word in tree.entries:
            tree = tree.entries[str(word)]
        elif isinstance(tree, Items) and isinstance(word, int) and word < len(tree.items):
            tree = tree.items[word]
    return tree.origin
