"""Several files as one configuration: system, then shared, then the environment's own, the later one winning.

Mappings are merged key by key, everything else is replaced, lists too; ``key+:`` adds its list to that of the layers
below instead. An empty value takes away what the layers below say. Every value keeps its origin. ``build.env`` may be
written as a list of ``NAME=value``: it is a mapping before it is merged.

Works on trees; knows neither files nor what else is a key.
"""

from collections.abc import Sequence

from panaversity_builder.environment.settings.origins import Finding, Findings, Key, Origin
from panaversity_builder.environment.settings.yaml_source import Block, Items, Text, Tree

EMPTY = Block({}, {}, Origin(""))
ENV: Key = ("build", "env")
_MORE = "+"


def layered(layers: Sequence[Block]) -> Block:
    """One tree of all layers, the lowest first. Raises ``Findings``."""
    whole = EMPTY
    for layer in layers:
        whole = merged(whole, normal(layer))
    return settled(whole)


def normal(layer: Block) -> Block:
    """The layer with ``build.env`` as a mapping, and no key beside its own ``key+``. Raises ``Findings``."""
    _refuse_both(layer, ())
    build = layer.entries.get("build")
    env = build.entries.get("env") if isinstance(build, Block) else None
    if not isinstance(build, Block) or not isinstance(env, Items):
        return layer
    told = Block({**build.entries, "env": _assignments(env)}, build.keys, build.origin)
    return Block({**layer.entries, "build": told}, layer.keys, layer.origin)


def _refuse_both(tree: Tree, key: Key) -> None:
    if isinstance(tree, Items):
        for i, item in enumerate(tree.items):
            _refuse_both(item, (*key, i))
    if not isinstance(tree, Block):
        return
    for name, value in tree.entries.items():
        if name.endswith(_MORE) and name[:-1] in tree.entries:
            hint = f"Keep one of {name} and {name[:-1]}"
            raise Findings([Finding(tree.keys[name], (*key, name), "adds to a list that stands beside it", hint)])
        if name.endswith(_MORE) and not isinstance(value, Items):
            raise Findings([Finding(tree.keys[name], (*key, name), "adds something that is not a list")])
        _refuse_both(value, (*key, name))


def _assignments(env: Items) -> Block:
    entries: dict[str, Tree] = {}
    for i, item in enumerate(env.items):
        text = item.value if isinstance(item, Text) else None
        name, equals, value = (text or "").partition("=")
        if not equals or not name:
            hint = "Write NAME=value, or make env a mapping"
            raise Findings([Finding(item.origin, (*ENV, i), "is not an assignment", hint)])
        if name in entries:
            hint = f"It stands at {entries[name].origin} already"
            raise Findings([Finding(item.origin, (*ENV, i), f"{name} is given twice", hint)])
        entries[name] = Text(value, item.origin)
    return Block(entries, {name: value.origin for name, value in entries.items()}, env.origin)


def merged(lower: Block, higher: Block) -> Block:
    """Two layers as one; associative as long as no layer takes anything away or changes what kind a value is of."""
    entries = dict(lower.entries)
    keys = dict(lower.keys)
    for name, value in higher.entries.items():
        target, told = _joined(entries, name, value)
        if not name.endswith(_MORE):  # a list that was to be added to is replaced
            entries.pop(name + _MORE, None)
        entries[target], keys[target] = told, higher.keys[name]
    return Block(entries, {name: keys[name] for name in entries}, higher.origin)


def _joined(lower: dict[str, Tree], name: str, value: Tree) -> tuple[str, Tree]:
    """Under which key a value of the higher layer is kept, and what it becomes there."""
    if name.endswith(_MORE) and isinstance(value, Items):
        plain = name[:-1]
        target = plain if plain in lower else name
        before = lower.get(target)
        return target, Items((*before.items, *value.items), value.origin) if isinstance(before, Items) else value
    before = lower.get(name)
    return name, merged(before, value) if isinstance(before, Block) and isinstance(value, Block) else value


def settled(tree: Block) -> Block:
    """The tree after the last layer: what would be added to nothing is the list itself."""
    entries = {name.removesuffix(_MORE): _settled(value) for name, value in tree.entries.items()}
    keys = {name.removesuffix(_MORE): origin for name, origin in tree.keys.items()}
    return Block(entries, keys, tree.origin)


def _settled(tree: Tree) -> Tree:
    if isinstance(tree, Items):
        return Items(tuple(_settled(item) for item in tree.items), tree.origin)
    return settled(tree) if isinstance(tree, Block) else tree
