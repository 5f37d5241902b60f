"""A tree judged by the form of a configuration: the configuration, or everything that is wrong with it.

Puts the schema's refusals into words, each with the place in the file. Knows trees and models, no particular key.
"""

import difflib
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from panaversity_builder.environment.settings.origins import Finding, Findings, Key, Origin
from panaversity_builder.environment.settings.shape import Configuration
from panaversity_builder.environment.settings.yaml_source import Block, Items, Tree, origin_of, plain

_WORDS = {
    "missing": ("is missing", "Write it there"),
    "string_type": ("is not a text", "Write one value"),
    "dict_type": ("is not a mapping", "Write keys with values"),
    "model_type": ("is not a mapping", "Write keys with values"),
    "model_attributes_type": ("is not a mapping", "Write keys with values"),
    "tuple_type": ("is not a list", "Write items that begin with -"),
}


def judged(tree: Block) -> Configuration:
    """The configuration this tree states. Raises ``Findings`` with everything that is wrong."""
    try:
        return Configuration.model_validate(plain(tree))
    except ValidationError as error:
        told = error.errors(include_url=False, include_input=False)
        raise Findings([_finding(tree, one) for one in told]) from None


def _finding(tree: Block, error: Any) -> Finding:
    key: Key = tuple(word for word in error["loc"] if word != "[key]")
    if error["type"] == "extra_forbidden":
        return Finding(key_origin(tree, key), key, "is not a key here", _meant(key))
    if error["type"] == "value_error":
        origin = key_origin(tree, key) if error["loc"][-1:] == ("[key]",) else origin_of(tree, key)
        return Finding(origin, key, str(error["ctx"]["error"]))
    problem, hint = _WORDS.get(error["type"], (str(error["msg"]).lower(), ""))
    return Finding(origin_of(tree, key), key, problem, hint)


def key_origin(tree: Tree, key: Key) -> Origin:
    """Where a key itself stands, as opposed to its value."""
    for word in key[:-1]:
        if isinstance(tree, Block) and word in tree.entries:
            tree = tree.entries[str(word)]
        elif isinstance(tree, Items) and isinstance(word, int) and word < len(tree.items):
            tree = tree.items[word]
    return tree.keys.get(str(key[-1]), tree.origin) if isinstance(tree, Block) else tree.origin


def _meant(key: Key) -> str:
    """What a wrong key was perhaps meant to be, and the keys there are."""
    known = known_keys(key[:-1])
    close = difflib.get_close_matches(str(key[-1]), known, n=1)
    there = f"There are: {', '.join(known)}" if known else ""
    return f"Did you mean {close[0]}? {there}" if close else there


def known_keys(key: Key) -> list[str]:
    """The keys a mapping at this place may have."""
    kind: type[BaseModel] | None = Configuration
    for word in key:
        if isinstance(word, str) and kind is not None and word in (fields := _fields(kind)):
            kind = _model_in(fields[word])
    return sorted(_fields(kind)) if kind is not None else []


def _fields(kind: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The first model anywhere in a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
