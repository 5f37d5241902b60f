"""Every input changed alone causes a miss in exactly the right phase (issue: a generated test over the whole schema).

The leaves come from the pydantic models, the phases they belong to from the table below; a key that is added to the
schema and not to the sample or the table fails here. Golden keys stand in ``tests/golden/environment_keys.json``.
"""

import copy
import json
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from panaversity_builder.environment import gather
from panaversity_builder.environment.git import resolve
from panaversity_builder.environment.recipe import ENVIRONMENT, Action, Clone, Copy, Environment, Run
from panaversity_builder.environment.settings.shape import Configuration
from panaversity_builder.lifecycle import KeyDocument, document_of, explain
from support.environments import PHASES, KnownBase, Project, committed, full_project, full_sample, git

GOLDEN = Path(__file__).parents[3] / "golden" / "environment_keys.json"
Way = tuple[str | int, ...]

NOTHING = {
    ("name",): "another environment, not another content",
    ("description",): "words for people",
    ("secrets", "token", "env"): "where a secret is found is not what it is called",
    ("secrets", "key", "file"): "where a secret is found is not what it is called",
    ("build", "base", "image"): "the digest counts, wherever the image is",
    ("build", "files", "volumes"): "shown when it runs, never in the image",
    ("build", "time_limits"): "how long something may take does not change what it makes",
}
"""Keys that no phase depends on, with the reason."""

CHANGES: dict[str, Any] = {
    "name": "other",
    "uid": "1234",
    "shell": "/bin/ash",
    "source": "./other",
    "path": "./other",
    "dest": "/elsewhere",
    "mode": "0700",
    "owner": "bob",
    "user": "root",
    "run": "echo something else",
    "version": "9.9",
    "branch": "side",
    "url": "./../desk/notes",
    "work_dir": "/elsewhere",
    "workdir": "/elsewhere",
    "global": None,
    "file": "./motd",
    "env": "OTHER_TOKEN",
    "time_limit": "77",
    "readonly": "false",
    "image": "./cache",
}


def leaves(model: Any, way: Way = ()) -> Iterator[Way]:
    """Every key of the schema that holds a value; ``0`` is any item of a list, ``*`` any key of a mapping."""
    for name, field in model.model_fields.items():
        yield from _leaves(field.annotation, (*way, field.alias or name))


def _leaves(kind: Any, way: Way) -> Iterator[Way]:
    if typing.get_origin(kind) is typing.Annotated:
        yield from _leaves(typing.get_args(kind)[0], way)
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        yield from leaves(kind, way)
    elif typing.get_origin(kind) is tuple:
        yield from _leaves(typing.get_args(kind)[0], (*way, 0))
    elif typing.get_origin(kind) is dict:
        yield from _leaves(typing.get_args(kind)[1], (*way, "*"))
    else:
        yield way


LEAVES = sorted(leaves(Configuration), key=str)
WHOLE: dict[str, Any] = yaml.load(full_sample(), yaml.BaseLoader)


def phase_of(way: Way) -> str | None:
    """The phase a key belongs to; None for one that changes nothing."""
    if way[-1] == "time_limit" or any(way[: len(free)] == free for free in NOTHING):
        return None
    if way[0] == "secrets":
        return None
    if way[0] == "variables":
        return "env"
    return str(way[2] if way[1] in ("before", "after") else way[1])


def at(body: Any, way: Way) -> Any:
    for word in way:
        body = body[word]
    return body


def ways(way: Way) -> list[Way]:
    """The places of the sample a leaf stands at."""
    found: list[Way] = [()]
    for word in way:
        found = [(*f, key) for f in found for key in (list(at(WHOLE, f)) if word == "*" else [word])]
    return found


def changed(body: Any, way: Way) -> Any:
    """The sample with another value at one place."""
    told = copy.deepcopy(body)
    inner, last = at(told, way[:-1]), way[-1]
    if last == "global":
        inner[last] = "false" if inner[last] == "true" else "true"
    elif isinstance(last, int):
        inner[last] = "bob" if way[-2] == "groups" else "key" if inner[last] == "token" else _item(way, inner[last])
    elif way[:2] == ("build", "env") and last == "PATH":
        inner[last] = "/opt/other:$PATH"
    elif way[-2:-1] == ("time_limits",):
        inner[last] = "77"
    elif way[0] == "variables" or way[:2] == ("build", "env"):
        inner[last] = "changed"
    elif way[:2] == ("build", "repos") and last == "path":
        inner[last] = "/elsewhere"
    else:
        if way[0] == "secrets":
            inner.clear()  # a variable or a file, not both
        inner[last] = CHANGES.get(str(last), "changed")
    return told


def _item(way: Way, value: str) -> str:
    return "token" if value == "key" else "/elsewhere" if value.startswith("/") else "changed"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The sample, with a second branch; what its repositories answer is asked once."""
    made = full_project(tmp_path_factory.mktemp("keys"))
    here = made.folder / "environments" / "desk"
    git(here / "notes", "checkout", "--quiet", "-b", "side")
    committed(here / "notes", {"README": "side\n"})
    git(here / "notes", "checkout", "--quiet", "main")
    (here / "other").write_text("something else\n")
    answers: dict[tuple[str, str | None], tuple[str, str | None]] = {}

    def once(url: str, branch: str | None, environ: Mapping[str, str], *stop: object) -> tuple[str, str | None]:
        if not url.startswith(str(made.folder)):
            return resolve(url, branch, environ)
        if (url, branch) not in answers:
            answers[url, branch] = resolve(url, branch, environ)
        return answers[url, branch]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gather, "resolve", once)
        yield made


@pytest.fixture(scope="module")
def before(project: Project) -> Environment:
    return project.prepare()


def built(project: Project, body: Any) -> Environment:
    project.write(json.dumps(body))  # JSON is YAML
    return project.prepare()


def documents(environment: Environment) -> list[KeyDocument]:
    """The key documents of a build in which every phase's output is its key."""
    made: list[KeyDocument] = []
    for recipe in environment.recipes:
        made.append(document_of(ENVIRONMENT, recipe.phase, recipe.inputs, made[-1].key if made else None))
    return made


def first_miss(one: Environment, other: Environment) -> str | None:
    """The first phase whose key differs; all later ones do too."""
    pairs = list(zip(one.recipes, documents(one), documents(other), strict=True))
    missed = [recipe.phase.name for recipe, a, b in pairs if a.key != b.key]
    assert missed == list(PHASES[len(PHASES) - len(missed) :])
    return missed[0] if missed else None


def own_misses(one: Environment, other: Environment) -> list[str]:
    """The phases whose own inputs differ."""
    return [a.phase.name for a, b in zip(one.recipes, other.recipes, strict=True) if a.inputs != b.inputs]


def effect(action: Action) -> Action:
    """What an action does to the image: how long it may take, and where on this machine it reads, left out."""
    if isinstance(action, Copy):
        return replace(action, source="")
    if isinstance(action, Run):
        return replace(action, seconds=None, title="")
    return replace(action, seconds=None, url="") if isinstance(action, Clone) else action


def silent_changes(one: Environment, other: Environment) -> list[str]:
    """Phases that would do something else under the same inputs: there must be none."""
    return [
        a.phase.name
        for a, b in zip(one.recipes, other.recipes, strict=True)
        if a.inputs == b.inputs and [*map(effect, a.actions)] != [*map(effect, b.actions)]
    ]


def said(way: Way) -> bool:
    try:
        at(WHOLE, way)
    except LookupError:
        return False
    return True


def test_the_sample_says_every_key_of_the_schema() -> None:
    assert [way for way in LEAVES if not any(map(said, ways(way)))] == []
    assert len(LEAVES) > 100


def sampled(places: list[Way]) -> list[Any]:
    """Hooks are the same for every phase: all but those of one are left to the full run."""
    hook = [len(p) > 2 and p[1] in ("before", "after") and p[2] != "setup" for p in places]
    marks = [[pytest.mark.full] if one else [] for one in hook]
    return [
        pytest.param(place, marks=mark, id=".".join(map(str, place))) for place, mark in zip(places, marks, strict=True)
    ]


@pytest.mark.parametrize("way", sampled([place for leaf in LEAVES for place in ways(leaf)]))
def test_a_value_changed_alone_is_a_miss_in_its_phase_and_in_none_before(
    way: Way, project: Project, before: Environment
) -> None:
    after = built(project, changed(WHOLE, way))
    expected = phase_of(way)
    assert silent_changes(before, after) == []
    assert first_miss(before, after) == expected
    assert own_misses(before, after) == ([] if expected is None else [expected])


def lists(body: Any, way: Way = ()) -> Iterator[Way]:
    """Every list of the sample."""
    if isinstance(body, list):
        yield way
    for key, value in enumerate(body) if isinstance(body, list) else body.items() if isinstance(body, dict) else ():
        yield from lists(value, (*way, key))


ORDERED = [way for way in lists(WHOLE) if len(at(WHOLE, way)) > 1]


@pytest.mark.parametrize("way", sampled(ORDERED))
def test_the_order_of_a_list_counts_in_its_phase(way: Way, project: Project, before: Environment) -> None:
    body = copy.deepcopy(WHOLE)
    at(body, way).reverse()
    after = built(project, body)
    assert own_misses(before, after) == [phase_of(way)]
    assert silent_changes(before, after) == []


@pytest.mark.parametrize("way", sampled([way for way in lists(WHOLE) if phase_of(way)]))
def test_an_item_taken_out_counts_in_its_phase(way: Way, project: Project, before: Environment) -> None:
    body = copy.deepcopy(WHOLE)
    at(body, way).pop()
    after = built(project, body)
    assert own_misses(before, after) == [phase_of(way)]
    assert silent_changes(before, after) == []


WORLD: dict[str, tuple[Callable[[Path], object], str | None]] = {
    "a file's content": (lambda here: (here / "motd").write_text("bye\n"), "files"),
    "a file's mode": (lambda here: (here / "motd").chmod(0o600), "files"),
    "a file of a folder": (lambda here: (here / "settings" / "a.ini").write_text("a = 2\n"), "files"),
    "a mode in a folder": (lambda here: (here / "settings" / "a.ini").chmod(0o755), "files"),
    "a folder's own mode": (lambda here: (here / "settings").chmod(0o700), "files"),
    "a new file in a folder": (lambda here: (here / "settings" / "b.ini").write_text(""), "files"),
    "a new empty folder": (lambda here: (here / "settings" / "sub").mkdir(), "files"),
    "a renamed file": (lambda here: (here / "settings" / "a.ini").rename(here / "settings" / "c.ini"), "files"),
    "a link in a folder": (lambda here: (here / "settings" / "link").symlink_to("a.ini"), "files"),
    "a file's time": (lambda here: (here / "motd").touch(), None),
    "a script": (lambda here: (here / "install").write_text("#!/bin/sh\nwho\n"), "setup"),
    "a script's mode": (lambda here: (here / "install").chmod(0o755), None),
    "a commit behind a branch": (lambda here: committed(here / "notes", {"README": "more\n"}), "repos"),
    "a change that is not committed": (lambda here: (here / "notes" / "README").write_text("x"), None),
    "another branch": (lambda here: git(here / "notes", "branch", "other"), None),
    "a secret's value": (lambda here: (here / "key").write_text("other"), None),
    "a volume's content": (lambda here: (here / "cache" / "x").write_text("x"), None),
}


@pytest.mark.parametrize("what", WORLD)
def test_what_the_configuration_names_counts_in_its_phase(what: str, tmp_path: Path) -> None:
    change, phase = WORLD[what]
    project = full_project(tmp_path)
    before = project.prepare()
    change(tmp_path / "environments" / "desk")
    after = project.prepare()
    assert own_misses(before, after) == ([phase] if phase else [])


def test_another_branch_is_a_miss_also_where_it_means_the_same_commit(tmp_path: Path) -> None:
    """The image's repository is on that branch."""
    project = full_project(tmp_path)
    before = project.prepare()
    here = tmp_path / "environments" / "desk"
    git(here / "notes", "branch", "twin")
    (here / "config.yaml").write_text((here / "config.yaml").read_text().replace("branch: main", "branch: twin"))
    assert own_misses(before, project.prepare()) == ["repos"]


def test_another_base_is_a_miss_from_the_first_phase_on(tmp_path: Path) -> None:
    project = full_project(tmp_path)
    before, after = project.prepare(), project.prepare(base=KnownBase("c" * 64))
    assert first_miss(before, after) == "base"
    assert own_misses(before, after) == ["base"]


def test_a_value_of_the_process_environment_counts_only_where_it_is_used(tmp_path: Path) -> None:
    project = full_project(tmp_path)
    before = project.prepare()
    assert own_misses(before, project.prepare(CHANNEL="edge")) == ["env"]
    assert own_misses(before, project.prepare(OTHER="edge", DESK_TOKEN="s3cret")) == []


def test_where_the_project_lies_does_not_count(tmp_path: Path) -> None:
    one, other = full_project(tmp_path / "a").prepare(), full_project(tmp_path / "b").prepare()
    assert own_misses(one, other) == []


def test_the_keys_of_a_sample_environment_are_the_golden_ones(tmp_path: Path) -> None:
    """EXAMPLES 7.10: a change of keys is a visible diff of this file."""
    environment = full_project(tmp_path).prepare()
    found = [
        {"id": r.phase.id, "name": r.phase.name, "inputs": dict(sorted(r.inputs.items())), "key": d.key}
        for r, d in zip(environment.recipes, documents(environment), strict=True)
    ]
    assert found == json.loads(GOLDEN.read_text())["phases"]


def test_a_reason_names_what_changed(tmp_path: Path) -> None:
    project = full_project(tmp_path)
    before = project.prepare()
    commit = committed(tmp_path / "environments" / "desk" / "notes", {"README": "more\n"})
    after = project.prepare()
    old, new = documents(before)[6], documents(after)[6]
    reason = str(explain(ENVIRONMENT.find("repos"), new, old))
    assert reason.startswith("changed: repository commit /more (")
    assert commit[:12] in reason
