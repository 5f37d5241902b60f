"""A configuration written out: every value in force under its full key, with the place it comes from.

Two configurations that mean the same are written alike, whatever short forms and layers they use. Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from panaversity_builder.environment.settings.origins import Key, dotted
from panaversity_builder.environment.settings.shape import Configuration
from panaversity_builder.environment.settings.yaml_source import Block, Items, Text, Tree, origin_of

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Described:
    """One value: its key as people write it, its text, and where it was written (``default``: nowhere)."""

    key: str
    value: str
    origin: str


def described(configuration: Configuration, tree: Block) -> list[Described]:
    """Every value that is not nothing, in the order of the schema."""
    return [
        Described(dotted(key), text, str(origin_of(tree, key)) if stands(tree, key) else DEFAULT)
        for key, text in _leaves(configuration, ())
    ]


def _leaves(value: object, key: Key) -> Iterator[tuple[Key, str]]:
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from _leaves(getattr(value, name), (*key, field.alias or name))
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield (*key, name), _text(one) if not isinstance(one, BaseModel) else _source(one)
    elif isinstance(value, tuple):
        for i, one in enumerate(value):
            yield from _leaves(one, (*key, i))
    elif value is not None and value != "":
        yield key, f"{value:04o}" if key[-1] == "mode" else _text(value)


def _source(secret: BaseModel) -> str:
    """Where a secret is found; never what it is."""
    told = secret.model_dump(exclude_none=True)
    return ", ".join(f"{name} {value}" for name, value in told.items()) or "env of that name"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else "" if value is None else str(value)


def stands(tree: Tree, key: Key) -> bool:
    """Whether a value was written at all; a text in a mapping's place is its short form."""
    for word in key:
        if isinstance(tree, Text):
            return tree.value is not None
        if isinstance(tree, Items):
            if isinstance(word, int) and word < len(tree.items):
                tree = tree.items[word]
        elif word in tree.entries:
            tree = tree.entries[str(word)]
        elif word != 0:  # one value in a list's place
            return False
    return not (isinstance(tree, Text) and tree.value is None)
