"""From files to judged settings: layers, short forms, origins, and errors with file, line, key, fact and next step."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from panaversity_builder.console.texts import error_lines
from panaversity_builder.environment.gather import prepare
from panaversity_builder.environment.load import Settings, known_environments, load_environment
from panaversity_builder.environment.recipe import Copy
from panaversity_builder.environment.settings.lint import remarks
from panaversity_builder.environment.settings.normal_form import described
from panaversity_builder.environment.source_tree import source_digest
from panaversity_fs.core.errors import ConfigInvalid
from support.environments import KnownBase, Project, full_project, lines_of

EXAMPLE = Path(__file__).parents[4] / "examples" / "environments" / "desk"
LEAST = "build:\n  base: ./rootfs\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def refused(project: Project, text: str, **environ: str) -> ConfigInvalid:
    with pytest.raises(ConfigInvalid) as caught:
        project.loaded(text, **environ)
    assert caught.value.exit_status == 15
    return caught.value


def test_the_least_configuration_names_a_base(project: Project) -> None:
    settings = project.loaded(LEAST)
    assert settings.name == "desk"
    assert settings.configuration.build.base.image == "./rootfs"
    assert settings.file == str(project.folder / "environments/desk/config.yaml")


def test_the_clients_own_sample_is_taken(project: Project) -> None:
    """REQUIREMENTS, progressive build snapshots: the forms of its sample."""
    settings = project.loaded(
        """\
name: discourse
description: Discourse development environment

build:
  base:
    image: discourse/discourse_dev:release

  users:
    - name: discourse
      uid: 1000
      groups: [sudo]
      shell: /bin/bash

  env:
    - DEBIAN_FRONTEND=noninteractive
    - PATH=/habitat/shared/tools/bin:$PATH

  setup:
    packages:
      apt: [curl, wget, unzip]
      npm:
        - name: "@scope/code"
          global: true
    commands:
      root:
        - git config --global --add safe.directory /discourse
      user: discourse
      scripts:
        - bundle install
        - yarn install

  final:
    workdir: /discourse
    user: discourse
    command: ["/sbin/boot"]
"""
    )
    build = settings.configuration.build
    assert build.env["DEBIAN_FRONTEND"] == "noninteractive"
    assert settings.inherited["PATH"].before == "/habitat/shared/tools/bin:"
    assert [(c.run, c.user) for c in build.setup.commands.in_order] == [
        ("git config --global --add safe.directory /discourse", None),
        ("bundle install", "discourse"),
        ("yarn install", "discourse"),
    ]


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("base: ./rootfs", "base: {image: ./rootfs}"),
        ("base: ./r\n  users: [ann]", "base: ./r\n  users: [{name: ann}]"),
        ("base: ./r\n  env: [A=1, B=x=y]", "base: ./r\n  env: {A: 1, B: x=y}"),
        ("base: ./r\n  verify: test -d /", "base: ./r\n  verify: [{run: test -d /}]"),
        ("base: ./r\n  verify: {run: id, user: ann}", "base: ./r\n  verify: [{run: id, user: ann}]"),
        ("base: ./r\n  setup: {packages: {apt: git}}", "base: ./r\n  setup: {packages: {apt: [git]}}"),
        ("base: ./r\n  setup: {packages: {npm: [a]}}", "base: ./r\n  setup: {packages: {npm: [{name: a}]}}"),
        ("base: ./r\n  setup: {commands: [id]}", "base: ./r\n  setup: {commands: {root: [{run: id}]}}"),
        ("base: ./r\n  setup: {scripts: ./x}", "base: ./r\n  setup: {scripts: [{path: ./x}]}"),
        ("base: ./r\n  final: {command: ls -l}", "base: ./r\n  final: {command: [sh, -c, ls -l]}"),
        ("base: ./r\n  before: {setup: id}", "base: ./r\n  before: {setup: [{run: id}]}"),
        ("base: ./r\n  setup:\n  users:\n  env:\n", "base: ./r"),
    ],
)
def test_a_short_form_means_the_long_one(short: str, long: str, project: Project) -> None:
    one, other = (project.loaded(f"build:\n  {text}\n").configuration for text in (short, long))
    assert one == other


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("build:\n  users:\n    - name: ann\n      uid: abc\n  base: ./r\n", "4:12: users[0].uid: is not a number."),
        ("build:\n  base: ./r\n  users:\n    - nam: ann\n", "4:7: users[0].name: is missing. Write it there."),
        ("name: x\n", "config.yaml:1:1: build: is missing. Write it there."),
        ("biuld:\n  base: ./r\nbuild: {base: ./r}\n", "1:1: biuld: is not a key here. Did you mean build?"),
        (f"{LEAST}  setpu: {{}}\n", "3:3: setpu: is not a key here. Did you mean setup?"),
        (f"{LEAST}  setup: {{packages: {{atp: [git]}}}}\n", "packages.atp: is not a key here. Did you mean apt?"),
        (f"{LEAST}  after: {{cleanup: id}}\n", "after.cleanup: is not a key here. There are: base, env, files,"),
        (f"{LEAST}  users: ann\n", "users: is not a list. Write items that begin with -."),
        (f"{LEAST}  files: [x]\n", "3:10: files: is not a mapping. Write keys with values."),
        (f"{LEAST}  users: [[x]]\n", "3:11: users[0]: is not a mapping."),
        (f"{LEAST}  users: [{{name: [x]}}]\n", "3:18: users[0].name: is not a text."),
        (f"{LEAST}  users: [null]\n", "users[0]: is not a mapping."),
        (f"{LEAST}  env: [A]\n", "3:9: env[0]: is not an assignment. Write NAME=value, or make env a mapping."),
        (f"{LEAST}  env: [A=1, A=2]\n", "3:14: env[1]: A is given twice."),
        (f"{LEAST}  env: {{1A: x}}\n", "3:9: env.1A: is not a variable's name"),
        (f"{LEAST}  users: [ann, bob, ann]\n", "3:21: users[2].name: ann is a user already. Take one out."),
        (f"{LEAST}  tools: [{{name: a, run: x}}, {{name: a, run: y}}]\n", "tools[1].name: a is a tool already"),
        (f"{LEAST}  users: [{{name: a, uid: 7}}, {{name: b, uid: 7}}]\n", "users[1].uid: 7 is a user's number already"),
        (
            f"{LEAST}  verify: [{{run: x, secrets: [tok]}}]\n",
            "verify[0].secrets: tok is not declared. Name it under secrets.",
        ),
        (f"{LEAST}  setup: {{packages: {{npm: [{{name: a, global: no}}]}}}}\n", "in a work folder that is not set"),
        (f"{LEAST}  files: {{copies: [{{source: ./x, dest: ../y}}]}}\n", "dest: is not an absolute path in the image"),
        (f"{LEAST}  files: {{copies: [{{source: ./x, dest: /a/../b}}]}}\n", "dest: has an empty part, . or .. in it"),
        (f"{LEAST}  files: {{copies: [{{source: ./x, dest: /}}]}}\n", "dest: is the whole image"),
        (
            f"{LEAST}  files: {{copies: [{{source: ./x, dest: /y, mode: 999}}]}}\n",
            "mode: is not a mode of octal digits",
        ),
        (f"{LEAST}  time_limits: {{setup: soon}}\n", "time_limits.setup: is not a time like 90, 90s, 10m or 2h."),
        (f"{LEAST}  time_limits: {{setup: 0}}\n", "time_limits.setup: is not a time"),
        (f"{LEAST}  repos: [{{url: 'https://me:pw@h/x', path: /x}}]\n", "url: has a login in it, which would be seen"),
        (f"{LEAST}  repos: [{{url: 'ext::sh -c id', path: /x}}]\n", "url: is neither an address"),
        (
            f"{LEAST}  repos: [{{url: ./x, path: /x, branch: --upload-pack=id}}]\n",
            "branch: is not the name of a branch",
        ),
        (f"{LEAST}  setup: {{packages: {{apt: [vim-]}}}}\n", "apt[0]: is not a package of apt"),
        ("build: {base: 'Not An Image'}\n", "base.image: is neither an image like debian:12 nor a path"),
        (f"name: Desk Top\n{LEAST}", "name: is not a name of small letters and digits"),
        (f"secrets: {{a: {{env: A, file: ./a}}}}\n{LEAST}", "secrets.a: names both a variable and a file"),
        (f"secrets: [T]\nvariables: [T]\n{LEAST}", "variables.T: is a secret, which never becomes part"),
        (f"{LEAST}  verify: ['']\n", "verify[0].run: is empty"),
        (f"{LEAST}  env: {{A: $B}}\n", "3:12: env.A: uses B, which is not declared. Declare it in build.env, list"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_what_to_do(text: str, told: str, project: Project) -> None:
    error = refused(project, text)
    assert str(error).startswith("environment: environments/desk/config.yaml:")
    assert told in "\n".join(lines_of(error))


def test_an_error_has_the_form_everything_has_here(project: Project) -> None:
    error = refused(project, "build:\n  base: ./r\n  users:\n    - name: ann\n      uid: abc\n")
    assert str(error) == "environment: environments/desk/config.yaml:5:12: users[0].uid: is not a number."
    assert error.details["key"] == "users[0].uid"
    assert error.details["origin"] == "environments/desk/config.yaml:5:12"


def test_all_findings_of_a_file_are_told_at_once_in_their_order(project: Project) -> None:
    users = "".join(f"    - {{name: U{i}}}\n" for i in range(30))
    error = refused(project, f"nmae: x\nbuild:\n  base: ./r\n  env: {{A: $B}}\n  users:\n{users}")
    lines = lines_of(error)
    assert len(lines) == 32
    assert lines[0].startswith("environment: environments/desk/config.yaml:1:1: nmae: is not a key here.")
    assert lines[1].startswith("environments/desk/config.yaml:4:12: env.A: uses B")
    assert lines[2].startswith("environments/desk/config.yaml:6:14: users[0].name: is not a user's name")


def test_the_console_lists_the_findings_that_came_after_the_first(project: Project) -> None:
    error = refused(project, "nmae: x\nbuild:\n  base: ./r\n  users: [Ann]\n")
    first, second = error_lines(error)
    assert first.startswith("error CONFIG_INVALID: environment: environments/desk/config.yaml:1:1: nmae: is not a key")
    assert second.startswith("  environments/desk/config.yaml:4:11: users[0].name: is not a user's name")


def test_a_value_that_cannot_be_shown_does_not_reach_the_terminal(project: Project) -> None:
    error = refused(project, 'build: {base: ./r, "\\e[31m": 1}\n')
    assert not any("\x1b" in line for line in lines_of(error))


def test_system_shared_and_own_are_laid_over_each_other(project: Project) -> None:
    system = project.folder / "etc/panaversity/environment.yaml"
    system.parent.mkdir(parents=True)
    system.write_text("build:\n  base: debian:12\n  env: {A: system, B: system, C: system}\n")
    project.write("build:\n  env: [B=shared, C=shared]\n  setup: {packages: {apt: [git]}}\n", "shared.yaml")
    settings = project.loaded("build:\n  env: {C: own}\n  setup: {packages: {apt+: [make]}}\n")
    build = settings.configuration.build
    assert build.base.image == "debian:12"
    assert build.env == {"A": "system", "B": "shared", "C": "own"}
    assert build.setup.packages.apt == ("git", "make")
    assert str(settings.origin("build", "env", "A")) == "etc/panaversity/environment.yaml:3:12"
    assert str(settings.origin("build", "env", "B")) == "environments/shared.yaml:2:9"
    assert str(settings.origin("build", "env", "C")) == "environments/desk/config.yaml:2:12"
    assert [os.path.basename(file) for file in settings.files] == ["environment.yaml", "shared.yaml", "config.yaml"]


def test_a_list_replaces_and_nothing_takes_away(project: Project) -> None:
    project.write("build:\n  base: ./r\n  users: [ann, bob]\n  env: {A: 1, B: 2}\n  verify: id\n", "shared.yaml")
    build = project.loaded("build:\n  users: [carl]\n  env: {A: }\n  verify:\n").configuration.build
    assert [user.name for user in build.users] == ["carl"]
    assert (build.env, build.verify) == ({"B": "2"}, ())


def test_a_path_is_relative_to_the_file_it_stands_in(project: Project) -> None:
    project.write("build:\n  base: ./rootfs\n  files: {volumes: [{source: ./v, dest: /v}]}\n", "shared.yaml")
    settings = project.loaded("build:\n  files: {volumes+: [{source: ./w, dest: /w, readonly: yes}]}\n")
    here = project.folder / "environments"
    assert settings.absolute("./rootfs", "build", "base", "image") == str(here / "rootfs")
    key = ("build", "files", "volumes")
    assert settings.absolute("./v", *key, 0, "source") == str(here / "v")
    assert settings.absolute("./w", *key, 1, "source") == str(here / "desk" / "w")
    assert [volume.readonly for volume in settings.configuration.build.files.volumes] == [False, True]


def test_a_mistake_in_a_layer_below_is_told_with_that_file(project: Project) -> None:
    project.write("build:\n  users: [Ann]\n", "shared.yaml")
    with pytest.raises(ConfigInvalid, match=r"environment: environments/shared.yaml:2:11: users\[0\].name: is not"):
        project.loaded(LEAST)


@pytest.mark.parametrize("text", ["build:\n  users+: x\n", "build:\n  users: []\n  users+: []\n"])
def test_adding_to_a_list_that_is_none_is_refused(text: str, project: Project) -> None:
    assert "users+" in str(refused(project, text))


def test_the_environments_of_a_project_are_known(project: Project) -> None:
    project.write(LEAST, "b.yaml")
    project.write(LEAST, "a/config.yaml")
    project.write(LEAST, "shared.yaml")
    project.write(LEAST, "Not A Name.yaml")
    (project.folder / "environments" / "empty").mkdir()
    here = project.folder / "environments"
    found = [(place.name, place.file) for place in known_environments(str(project.folder))]
    assert found == [("a", str(here / "a/config.yaml")), ("b", str(here / "b.yaml"))]
    assert known_environments(str(project.folder / "nowhere")) == []


def test_an_environment_is_found_by_name_by_file_and_by_folder(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = project.write(LEAST, "desk/config.yaml")
    monkeypatch.chdir(project.folder)
    for given in ("desk", str(file), "environments/desk/config.yaml", "environments/desk/", str(file.parent)):
        assert (project.load(given).name, project.load(given).file) == ("desk", str(file))


def test_one_that_is_not_there_is_told_with_those_there_are(project: Project) -> None:
    project.write(LEAST, "desk/config.yaml")
    with pytest.raises(
        ConfigInvalid, match=r"^environment: dsek: is not an environment of this project. There are: desk"
    ):
        project.load("dsek")
    with pytest.raises(ConfigInvalid, match=r"nowhere.yaml: is not there"):
        project.load("./nowhere.yaml")


def test_two_files_of_one_name_are_refused(project: Project) -> None:
    project.write(LEAST, "desk/config.yaml")
    project.write(LEAST, "desk.yaml")
    with pytest.raises(ConfigInvalid, match=r"desk: has two files: .*desk.yaml and .*config.yaml. Keep one of them"):
        project.load("desk")


@pytest.mark.parametrize("given", ["", "..", "a\0b", "./a\0b", "../../etc/passwd", "x" * 5000, "\udcff"])
def test_an_odd_name_is_refused_without_a_traceback(given: str, project: Project) -> None:
    with pytest.raises(ConfigInvalid):
        project.load(given)


def test_a_folder_in_a_files_place_cannot_be_read(project: Project) -> None:
    (project.folder / "environments" / "desk.yaml").mkdir(parents=True)
    with pytest.raises(ConfigInvalid):
        project.load("desk")


def remarked(settings: Settings) -> list[str]:
    return [str(remark) for remark in remarks(settings.configuration, settings.tree)]


def test_a_long_chain_of_variables_is_refused_and_a_long_list_is_not(project: Project) -> None:
    chain = "".join(f"    V{i}: x$V{i + 1}\n" for i in range(400))
    with pytest.raises(ConfigInvalid) as caught:
        project.loaded(f"{LEAST}  env:\n{chain}    V400: end\n")
    assert "needs a chain of more than 50 variables" in "\n".join(lines_of(caught.value))
    listed = "".join(f"    V{i}: x$V400\n" for i in range(400))
    assert len(project.loaded(f"{LEAST}  env:\n{listed}    V400: end\n").configuration.build.env) == 401


def test_the_normal_form_tells_every_value_with_its_origin(project: Project) -> None:
    project.write("build:\n  base: debian:12\n", "shared.yaml")
    settings = project.loaded("secrets: [tok]\nbuild:\n  verify: id\n  users: [{name: ann, groups: g}]\n")
    rows = {row.key: (row.value, row.origin) for row in described(settings.configuration, settings.tree)}
    own = "environments/desk/config.yaml"
    assert rows == {
        "secrets.tok": ("env of that name", f"{own}:1:10"),
        "base.image": ("debian:12", "environments/shared.yaml:2:9"),
        "users[0].name": ("ann", f"{own}:4:18"),
        "users[0].groups[0]": ("g", f"{own}:4:31"),
        "users[0].shell": ("/bin/sh", "default"),
        "verify[0].run": ("id", f"{own}:3:11"),
    }


def test_short_and_long_forms_have_one_normal_form(project: Project) -> None:
    texts = (
        "build: {base: ./r, env: [A=1], verify: id}",
        "build: {base: {image: ./r}, env: {A: 1}, verify: [{run: id}]}",
    )
    loaded = map(project.loaded, texts)
    one, other = ([(row.key, row.value) for row in described(it.configuration, it.tree)] for it in loaded)
    assert one == other


def test_the_full_sample_says_something_of_every_key(tmp_path: Path) -> None:
    settings = full_project(tmp_path).load()
    assert len(described(settings.configuration, settings.tree)) > 180
    assert "default" not in {row.origin for row in described(settings.configuration, settings.tree)}
    assert remarked(settings) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("echo $FOO", ["FOO"]),
        ("echo ${FOO}", ["FOO"]),
        ('echo "$FOO" "it\'s $BAR"', ["FOO", "BAR"]),
        ("echo '$FOO'", []),
        ("echo \\$FOO", []),
        ("FOO=1; echo $FOO", []),
        ("export FOO=1 && echo $FOO", []),
        ("for f in *; do echo $f; done", []),
        ("while read -r a b; do echo $a $b; done", []),
        ("echo ${FOO:-x} ${BAR-}", []),
        ("echo ${#FOO}", ["FOO"]),
        ("echo $HOME $1 $$ $? $(id)", []),
        ("echo $DECLARED", []),
    ],
)
def test_a_variable_nobody_declared_is_remarked(text: str, names: list[str], project: Project) -> None:
    settings = project.loaded(f"{LEAST}  env: {{DECLARED: 1}}\n  verify:\n    - |\n      {text}\n")
    own = "environments/desk/config.yaml:5:7: verify[0].run"
    hint = "Declare it in build.env, unless the base image brings it"
    assert remarked(settings) == [f"{own}: uses ${name}, which is not declared. {hint}." for name in names]


def test_a_secret_nobody_uses_is_remarked_and_a_tool_knows_its_own_variables(project: Project) -> None:
    text = f"secrets: [tok]\n{LEAST}  tools: [{{name: a, run: 'echo $TOOL_VERSION'}}]\n"
    assert [line.partition("yaml:")[2] for line in remarked(project.loaded(text))] == [
        "1:10: secrets.tok: is used by no command. Name it in the secrets of a command, or take it out."
    ]


@pytest.mark.skipif(shutil.which("busybox") is None, reason="needs busybox-static")
def test_the_example_is_ready_to_be_built_without_a_network(tmp_path: Path) -> None:
    example = tmp_path / "desk"
    shutil.copytree(EXAMPLE, example, ignore=shutil.ignore_patterns("rootfs", "notes"))
    for part in ("rootfs.part/bin/sh", "notes.part/.git"):  # somebody interrupted it
        (example / part).mkdir(parents=True)
    subprocess.run(["sh", str(example / "make-base")], check=True)
    assert sorted(one.name for one in (example / "notes").iterdir()) == [".git", "README.md"]
    settings = load_environment(str(tmp_path), str(example), {"GREETING": "hi"})
    assert settings.name == "desk"
    assert remarked(settings) == []
    environment = prepare(settings, KnownBase(), os.environ)  # type: ignore[arg-type]
    assert environment.base.kind == "rootfs"
    assert environment.recipes[2].inputs["variable GREETING"] == "hi"
    assert len(environment.recipes[6].inputs["repository commit /desk/notes"]) == 40
    (copy,) = environment.recipes[4].actions
    assert isinstance(copy, Copy)
    assert (
        copy.digest
        == source_digest(str(example / "files" / "motd"))[1]
        == environment.recipes[4].inputs["copy /etc/motd"]
    )


def test_what_the_readme_shows_is_the_example_shortened(project: Project) -> None:
    readme = (EXAMPLE.parents[2] / "README.md").read_text()
    shown = readme.partition("```yaml\nname: desk")[2].partition("```")[0]

    def said(text: str) -> set[tuple[str, str]]:
        settings = project.loaded(text)
        return {(row.key, row.value) for row in described(settings.configuration, settings.tree)}

    short = said(f"name: desk{shown}")
    assert len(short) > 20
    assert short <= said((EXAMPLE / "config.yaml").read_text())


@pytest.mark.parametrize("example", ["desk", "site"])
def test_an_example_says_what_it_lacks(example: str, tmp_path: Path) -> None:
    (tmp_path / "dirname").symlink_to(shutil.which("dirname") or "")
    script = EXAMPLE.parent / example / "make-base"
    copied = shutil.copy(script, tmp_path / "make-base")
    done = subprocess.run(
        [shutil.which("sh") or "sh", copied], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "make-base: busybox is not here. Install busybox-static.\n")
