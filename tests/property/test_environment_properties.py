"""Rules of environments' configurations that hold for all texts: expansion, layers, and that no value is ever code."""

import json
import re
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from panaversity_builder.environment.facts import Facts, Resolved, Source
from panaversity_builder.environment.recipe import (
    Action,
    BaseImage,
    Clone,
    Configure,
    Copy,
    Environment,
    PhaseRecipe,
    Run,
)
from panaversity_builder.environment.recipes import environment_of
from panaversity_builder.environment.recipes.accounts import ACCOUNT
from panaversity_builder.environment.recipes.contents import APT
from panaversity_builder.environment.recipes.parts import PROGRAM
from panaversity_builder.environment.recipes.telling import told, told_all
from panaversity_builder.environment.settings.expanding import with_variables
from panaversity_builder.environment.settings.expansion import NAME, Around, Variables, expanded, pieces
from panaversity_builder.environment.settings.judging import judged
from panaversity_builder.environment.settings.layering import EMPTY, layered, merged
from panaversity_builder.environment.settings.origins import Findings
from panaversity_builder.environment.settings.shape import Build, Configuration
from panaversity_builder.environment.settings.yaml_source import Block, parse, plain

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
names = st.from_regex(NAME, fullmatch=True).filter(lambda name: len(name) < 20)
referring = st.lists(st.sampled_from(["$", "$$", "{", "}", "${", ":-", "A", "B1", "_", "é", "\n", "$A", "${B}"])).map(
    "".join
)

# ---- expansion


@given(texts)
def test_a_doubled_dollar_sign_is_one_and_any_text_can_be_written_so(text: str) -> None:
    assert expanded(text.replace("$", "$$"), lambda name: None) == text


@given(texts, names, texts, texts)
def test_a_reference_is_exchanged_for_exactly_its_value(before: str, name: str, value: str, behind: str) -> None:
    text = f"{before.replace('$', '$$')}${{{name}}}{behind.replace('$', '$$')}"
    assert expanded(text, {name: value}.__getitem__) == before + value + behind


@given(st.one_of(referring, texts))
def test_a_text_is_taken_apart_entirely_or_refused(text: str) -> None:
    try:
        found = pieces(text)
    except ValueError:
        assert "$" in text
        return
    told_again = "".join(
        piece.text.replace("$", "$$")
        if piece.name is None
        else f"${{{piece.name}}}"
        if piece.default is None
        else f"${{{piece.name}:-{piece.default}}}"
        for piece in found
    )
    assert pieces(told_again) == found


@given(names, texts)
def test_a_value_is_never_expanded_a_second_time(name: str, value: str) -> None:
    assert Variables({}, {name: value}).expand(f"${{{name}}}") == value


@given(st.sampled_from(["${A:-x}", "${A:-}"]), st.sampled_from([None, "", "v"]))
def test_a_default_stands_in_for_nothing_and_for_an_empty_value(text: str, value: str | None) -> None:
    default = "x" if "x" in text else ""
    assert Variables({}, {"A": value}).expand(text) == (value or default)


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"A": "$A$A"}, "twice"),
        ({"A": "${A:-x}"}, "with a default"),
        ({"A": "$B", "B": "$A"}, "names itself by way of B"),
        ({"A": "$B", "B": "$C", "C": "$A"}, "names itself by way of B and C"),
        ({"A": "$B"}, "uses B, which is not declared"),
        ({"A": "${B:-x}"}, "uses B, which is not declared"),
        ({"A": "$B", "B": "x$B"}, "whose value only the base image knows"),
        ({"A": "$"}, "begins no variable"),
        ({"A": "${1}"}, "begins no variable"),
        ({"A": "${B"}, "begins no variable"),
        ({"A": "${B:-${C}}"}, "begins no variable"),
        ({"A": "$U"}, "uses U, which has no value here"),
    ],
)
def test_what_cannot_be_expanded_says_why(env: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Variables(env, {"U": None}).value("A")


def test_names_that_name_names_do_not_fill_the_memory() -> None:
    env = {"A0": "x" * 10} | {f"A{i}": f"$A{i - 1}" * 10 for i in range(1, 40)}
    with pytest.raises(ValueError, match="becomes longer than 65536 characters"):
        Variables(env, {}).value("A39")


def test_a_variable_may_be_put_around_the_base_images_own_value() -> None:
    variables = Variables({"PATH": "$X/bin:${PATH}:/end$$", "X": "/opt"}, {})
    assert variables.value("PATH") == Around("/opt/bin:", ":/end$")
    assert Variables({"T": "<$T>"}, {"T": "mine"}).value("T") == "<mine>"


# ---- layers

leaf = st.sampled_from(["x", "y", "z"])
lists = st.lists(leaf, max_size=3)


@st.composite
def layers(draw: st.DrawFn) -> Block:
    """A layer in which each key has one kind of value, as in a schema, and nothing is taken away."""
    body: dict[str, Any] = {}
    for key in draw(st.sets(st.sampled_from(["a", "b"]))):
        body[key] = draw(leaf)
    for key in draw(st.sets(st.sampled_from(["l", "m"]))):
        body[key + draw(st.sampled_from(["", "+"]))] = draw(lists)
    if draw(st.booleans()):
        inner: dict[str, Any] = {key: draw(leaf) for key in draw(st.sets(leaf))}
        if draw(st.booleans()):
            inner["n" + draw(st.sampled_from(["", "+"]))] = draw(lists)
        body["inner"] = inner
    return parse(json.dumps(body).encode(), "layer.yaml")


@given(layers(), layers(), layers())
def test_layers_may_be_put_together_in_any_grouping(one: Block, two: Block, three: Block) -> None:
    assert plain(merged(merged(one, two), three)) == plain(merged(one, merged(two, three)))


@given(layers())
def test_nothing_below_and_nothing_above_change_nothing(layer: Block) -> None:
    assert plain(merged(EMPTY, layer)) == plain(layer)
    assert plain(merged(layer, EMPTY)) == plain(layer)


@given(layers())
def test_a_layer_over_itself_is_itself_unless_it_adds(layer: Block) -> None:
    assume("+" not in json.dumps(plain(layer)))
    assert plain(layered([layer, layer])) == plain(layer)


@given(st.lists(layers(), max_size=4))
def test_no_sign_of_adding_is_left_and_every_key_knows_its_origin(several: list[Block]) -> None:
    whole = layered(several)
    assert "+" not in json.dumps(plain(whole))
    assert whole.keys.keys() == whole.entries.keys()


# ---- quoting

EVIL = [
    "; rm -rf /",
    "$(id)",
    "`id`",
    "a\nb",
    "' ; id #",
    '" ; id #',
    "--help",
    "-rf",
    "x\ty",
    "é",
    "\u202e",
    "..",
    "a b",
]
values = st.one_of(
    texts, st.sampled_from(EVIL), st.builds("{}{}".format, st.sampled_from(["/", "a", "./"]), st.sampled_from(EVIL))
)
FIXED = (ACCOUNT, APT, PROGRAM)
FACTS = Facts(
    BaseImage("rootfs", "/rootfs", "b" * 64),
    (Source("/motd", False, "c" * 64),),  # type: ignore[arg-type]
    (b"id",),
    (Resolved("/notes", "d" * 40, "refs/heads/main"),),
)


def body_with(spot: str, value: str) -> dict[str, Any]:
    """A configuration that says one of its values so."""
    v = value
    build: dict[str, Any] = {
        "base": "./rootfs",
        "users": [{"name": "ann", "groups": ["book"], "shell": "/bin/sh"}],
        "env": {"A": "1"},
        "habitat": {"shared_dirs": ["/shared"], "work_dir": "/work", "owner": "ann"},
        "files": {"copies": [{"source": "./motd", "dest": "/etc/motd", "owner": "ann"}]},
        "setup": {"packages": {"apt": ["git"], "npm": ["a"]}, "scripts": [{"path": "./go", "args": ["x"]}]},
        "repos": [{"url": "./notes", "path": "/notes", "branch": "main", "owner": "ann"}],
        "tools": [{"name": "t", "run": "true", "version": "1"}],
        "final": {"workdir": "/work", "user": "ann", "command": ["sh"]},
    }
    where: Any = build
    *way, last = [int(word) if word.isdigit() else word for word in spot.split(".")]
    for word in way:
        where = where[word]
    where[last] = v
    return {"build": build}


_SPOTS = """users.0.name users.0.groups.0 users.0.shell env.A habitat.shared_dirs.0 habitat.work_dir habitat.owner
files.copies.0.dest files.copies.0.owner files.copies.0.source setup.packages.apt.0 setup.packages.npm.0
setup.scripts.0.path setup.scripts.0.args.0 repos.0.url repos.0.path repos.0.branch repos.0.owner tools.0.name
tools.0.version final.workdir final.user final.command.0 base"""
SPOTS = re.findall(r"\S+", _SPOTS)


def environment_with(spot: str, value: str) -> Environment | None:
    """The environment, or None when the value is refused."""
    body = json.dumps(body_with(spot, value.replace("$", "$$")))
    try:
        told_tree = with_variables(layered([parse(body.encode(), "c.yaml")]), {})
        build = judged(told_tree.tree).build
    except Findings:
        return None
    assert told_tree.findings == ()
    return environment_of("desk", build, told_tree.inherited, FACTS)


def code_of(environment: Environment) -> list[str]:
    """Every text a shell will read as a program."""
    runs = [a for recipe in environment.recipes for a in recipe.actions if isinstance(a, Run)]
    return [run.argv[2] for run in runs if run.argv[0] == "sh"]


@given(st.sampled_from(SPOTS), values)
@example("setup.scripts.0.args.0", "$(id); rm -rf / #'\"")
@example("env.A", "a\nb; id $(id) `id`")
def test_no_value_becomes_part_of_a_shells_text(spot: str, value: str) -> None:
    environment = environment_with(spot, value)
    if environment is not None:
        assert set(code_of(environment)) <= {*FIXED, "true"}


@given(st.sampled_from(SPOTS), values)
def test_no_value_can_be_taken_for_an_option(spot: str, value: str) -> None:
    """Behind ``--`` everything is an operand; what stands before it is ours."""
    environment = environment_with(spot, value)
    for recipe in environment.recipes if environment else ():
        for action in recipe.actions:
            if isinstance(action, Run) and action.argv[0] in ("mkdir", "chown", "npm"):
                options = action.argv[1 : action.argv.index("--")]
                assert all(option in ("-p", "install", "--global") or option.startswith("--no-") for option in options)
            if isinstance(action, Clone):
                assert not action.url.startswith("-")


@given(st.sampled_from(SPOTS), values)
def test_a_value_that_is_taken_is_kept_as_it_is(spot: str, value: str) -> None:
    environment = environment_with(spot, value)
    if environment is None:
        return
    held: list[str] = []
    for recipe in environment.recipes:
        for action in recipe.actions:
            match action:
                case Run():
                    held += [*action.argv, action.user or "", action.title, *action.env.values()]
                case Copy():
                    held += [action.target, action.owner or ""]
                case Clone():
                    held += [action.target, action.owner or ""]
                case Configure():
                    held += [*action.env.values(), action.workdir or "", action.user or "", *(action.command or ())]
    ours = ("base", "files.copies.0.source", "setup.scripts.0.path", "repos.0.url", "repos.0.branch", "setup.packages")
    if not spot.startswith(ours):
        kept = value.rstrip("/") if value.startswith("/") else value
        shown = any(kept == one or one.startswith(kept) for one in held) or any(value == one for one in held)
        assert shown


@given(st.sampled_from(SPOTS), st.sampled_from(EVIL))
def test_a_newline_never_gets_into_a_name_or_path(spot: str, value: str) -> None:
    free = ("env.A", "setup.scripts.0.args.0", "final.command.0")
    if environment_with(spot, value + "\n") is not None:
        assert spot in free


def done(recipe: PhaseRecipe) -> list[Action]:
    """What a recipe does, whatever it is called."""
    return [replace(action, title="") if isinstance(action, Run) else action for action in recipe.actions]


@given(st.sampled_from(SPOTS), values, values)
def test_two_values_that_are_both_taken_give_two_keys(spot: str, one: str, other: str) -> None:
    first, second = environment_with(spot, one), environment_with(spot, other)
    if first is None or second is None:
        return
    same = [a.inputs == b.inputs for a, b in zip(first.recipes, second.recipes, strict=True)]
    alike = [done(a) == done(b) for a, b in zip(first.recipes, second.recipes, strict=True)]
    assert all(unchanged or not equal for unchanged, equal in zip(alike, same, strict=True))


@given(st.lists(texts), st.lists(texts))
def test_two_lists_are_never_told_alike(one: list[str], other: list[str]) -> None:
    assert (told_all(one) == told_all(other)) == (one == other)


@given(texts, texts)
def test_two_texts_are_never_told_alike(one: str, other: str) -> None:
    assert (told(one) == told(other)) == (one == other)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_tree_or_findings(data: bytes) -> None:
    with suppress(Findings):
        assert isinstance(plain(parse(data, "c.yaml")), dict)


JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
KEYS = [*Configuration.model_fields]
SECTIONS = [*Build.model_fields]


@given(
    st.dictionaries(st.sampled_from(KEYS), JSON_VALUES, max_size=3),
    st.dictionaries(st.sampled_from(SECTIONS), JSON_VALUES, max_size=4),
)
def test_any_values_in_any_section_are_judged_without_a_crash(top: dict[str, Any], build: dict[str, Any]) -> None:
    body = {**top, "build": {"base": "./rootfs", **build}} if build else top
    with suppress(Findings):
        told_tree = with_variables(layered([parse(json.dumps(body).encode(), "c.yaml")]), {})
        assert judged(told_tree.tree).build.base
