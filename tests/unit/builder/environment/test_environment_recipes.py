"""What each phase does, as values: the sample's actions in order, hooks around them, limits beside them."""

from pathlib import Path

import pytest

from panaversity_builder.environment.recipe import ENVIRONMENT, Action, Clone, Configure, Copy, Environment, Run
from panaversity_builder.environment.recipes.contents import APT
from panaversity_builder.environment.recipes.parts import PROGRAM, Part, joined, titled
from panaversity_builder.environment.recipes.telling import identities, told, told_all
from support.environments import PHASES, Project, full_project


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return full_project(tmp_path_factory.mktemp("recipes")).prepare()


def actions(environment: Environment, phase: str) -> list[Action]:
    """The phase's own actions, without the hooks, of which the sample has two before and two after."""
    recipe = environment.recipes[PHASES.index(phase)]
    return list(recipe.actions[2:-2])


def test_the_ten_phases_have_the_ids_and_names_of_the_specification() -> None:
    assert [(phase.id, phase.name) for phase in ENVIRONMENT.phases] == [
        ("1", "base"),
        ("2", "users"),
        ("3", "env"),
        ("4", "habitat"),
        ("5", "files"),
        ("6", "setup"),
        ("7", "repos"),
        ("8", "tools"),
        ("9", "verify"),
        ("10", "final"),
    ]


def test_an_environment_has_a_recipe_for_each_phase_and_hooks_around_each(environment: Environment) -> None:
    assert [recipe.phase for recipe in environment.recipes] == list(ENVIRONMENT.phases)
    for recipe in environment.recipes:
        name = recipe.phase.name
        hooks = [*recipe.actions[:2], *recipe.actions[-2:]]
        assert [hook.argv[-1] for hook in hooks if isinstance(hook, Run)] == [
            f"echo before {name}",
            f"echo before {name} again",
            f"echo after {name}",
            f"echo after {name} again",
        ]
        first = hooks[0]
        assert isinstance(first, Run)
        assert (first.user, first.secrets, first.seconds) == ("ann", ("key",), 30)
        assert recipe.seconds == 600
    assert set().union(*(recipe.secrets for recipe in environment.recipes)) == {"key", "token"}


def test_a_phase_has_the_default_limit_unless_it_has_its_own(tmp_path: Path) -> None:
    limits = "time_limits: {default: 5m, setup: 2h}"
    environment = Project(tmp_path).prepared(f"build:\n  base: debian:12\n  {limits}\n")
    assert [recipe.seconds for recipe in environment.recipes] == [300.0] * 5 + [7200.0] + [300.0] * 4


def test_the_least_environment_does_nothing_in_any_phase(tmp_path: Path) -> None:
    environment = Project(tmp_path).prepared("build: {base: debian:12}\n")
    assert [recipe.actions for recipe in environment.recipes] == [()] * 10
    assert [dict(recipe.inputs) for recipe in environment.recipes[1:]] == [{}] * 9


def test_the_base_has_hooks_only(environment: Environment) -> None:
    assert actions(environment, "base") == []
    assert environment.base.kind == "rootfs"


def test_the_image_is_told_its_variables_and_how_it_starts(environment: Environment) -> None:
    assert actions(environment, "env") == [
        Configure(env={"CHANNEL": "stable", "LANG": "C.UTF-8"}, around={"PATH": ("/opt/bin:", "")})
    ]
    assert actions(environment, "final") == [Configure(workdir="/notes", user="ann", command=("sh", "-l"))]


def test_folders_are_made_given_away_and_worked_in(environment: Environment) -> None:
    assert actions(environment, "habitat") == [
        Run(("mkdir", "-p", "--", "/shared", "/opt/bin", "/work"), "folders"),
        Run(("chown", "--", "ann", "/shared", "/opt/bin", "/work"), "folders of ann"),
        Configure(workdir="/work"),
    ]


def test_files_are_copied_with_owner_and_mode_and_volumes_are_no_part_of_the_image(environment: Environment) -> None:
    one, other = actions(environment, "files")
    assert isinstance(one, Copy)
    assert isinstance(other, Copy)
    assert (Path(one.source).name, one.target, one.owner, one.mode) == ("settings", "/etc/settings", "ann", 0o755)
    assert (Path(other.source).name, other.target, other.owner, other.mode) == ("motd", "/etc/motd", "root", 0o644)


def test_packages_come_first_then_commands_then_scripts(environment: Environment) -> None:
    runs = [run for run in actions(environment, "setup") if isinstance(run, Run)]
    npm = ("npm", "install", "--no-fund", "--no-audit", "--no-update-notifier")
    assert [run.argv for run in runs] == [
        ("sh", "-euc", APT, "panaversity", "git", "make"),
        (*npm, "--global", "--", "typescript@5.4", "@scope/tool"),
        (*npm, "--", "left-pad"),
        ("sh", "-ec", "echo root"),
        ("sh", "-ec", "echo again"),
        ("sh", "-ec", "echo ann"),
        ("sh", "-ec", "echo as the others"),
        ("sh", "-euc", PROGRAM, "panaversity", "--now", "2"),
        ("sh", "-euc", PROGRAM, "panaversity", "a", "b"),
    ]
    assert [run.user for run in runs] == [None, None, None, "bob", "ann", "bob", "ann", "ann", "ann"]
    assert runs[-1].stdin == b"pwd\n"
    assert runs[3].seconds == 600


def test_repositories_are_cloned_as_of_the_commit_their_branch_means_now(environment: Environment) -> None:
    one, other = actions(environment, "repos")
    assert isinstance(one, Clone)
    assert isinstance(other, Clone)
    assert (one.target, one.ref, one.owner, one.seconds) == ("/notes", "refs/heads/main", "ann", None)
    assert len(one.commit) == 40
    assert Path(one.url).is_dir()
    assert other.target == "/more"


def test_a_tool_is_told_its_name_and_version(environment: Environment) -> None:
    run = actions(environment, "tools")[0]
    assert run == Run(
        ("sh", "-ec", 'echo "$TOOL_VERSION"'),
        'hello: echo "$TOOL_VERSION"',
        user="ann",
        env={"TOOL_NAME": "hello", "TOOL_VERSION": "1.10"},
        secrets=("token",),
        seconds=7200.0,
    )


def test_checks_run_as_their_user(environment: Environment) -> None:
    run = actions(environment, "verify")[0]
    assert run == Run(("sh", "-ec", "test -d /notes"), "test -d /notes", user="ann", secrets=("token",), seconds=5.0)


def test_a_command_of_several_lines_is_one_text_that_ends_with_its_first_failure(tmp_path: Path) -> None:
    text = "build:\n  base: debian:12\n  setup:\n    commands:\n      - |\n        false\n        echo never\n"
    (run,) = Project(tmp_path).prepared(text).recipes[5].actions
    assert isinstance(run, Run)
    assert run.argv == ("sh", "-ec", "false\necho never\n")
    assert run.title == "false"


def test_two_inputs_never_share_a_name() -> None:
    with pytest.raises(ValueError, match="two inputs are called a"):
        joined([Part((), {"a": "1"}), Part((), {"a": "1"})])


def test_a_title_can_be_shown() -> None:
    assert titled("\n\n  echo \x1b[31m \n second") == "echo ?[31m"
    assert len(titled("x" * 500)) == 80
    assert titled("") == ""


def test_two_texts_are_never_told_alike() -> None:
    texts = ["a", "a\n", "x" * 500, "x" * 501, told("x" * 500), told(told("x" * 500)), "", " "]
    assert len({told(text) for text in texts}) == len(texts)
    lists = [["a", "b"], ["b", "a"], ["a,b"], ['a", "b'], [], [""], ["a"], ["x" * 500], ["x" * 499, "x"]]
    assert len({told_all(one) for one in lists}) == len(lists)
    assert identities(["/a", "/b", "/a", "/a"]) == ["/a", "/b", "2 /a", "3 /a"]
