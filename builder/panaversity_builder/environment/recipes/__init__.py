"""From a configuration and the facts that were read for it to the ten recipes (DESIGN 12). Pure.

Each phase knows what it does and, in the same function, what that depends on. Knows no files, networks or backends.
"""

from collections.abc import Mapping

from panaversity_builder.environment.facts import Facts
from panaversity_builder.environment.recipe import ENVIRONMENT, Environment, PhaseRecipe
from panaversity_builder.environment.recipes.accounts import users_part
from panaversity_builder.environment.recipes.contents import files_part, repos_part, setup_part, tools_part
from panaversity_builder.environment.recipes.image import env_part, final_part, habitat_part
from panaversity_builder.environment.recipes.parts import Part, commands, joined
from panaversity_builder.environment.settings.expansion import Around
from panaversity_builder.environment.settings.shape import Build
from panaversity_builder.lifecycle import Phase


def environment_of(name: str, build: Build, inherited: Mapping[str, Around], facts: Facts) -> Environment:
    """The environment, ready to be built."""
    own = _own(build, inherited, facts)
    recipes = tuple(_recipe(phase, build, own[phase.name]) for phase in ENVIRONMENT.phases)
    return Environment(name, facts.base, recipes)


def _own(build: Build, inherited: Mapping[str, Around], facts: Facts) -> Mapping[str, Part]:
    """What each phase does, hooks left out."""
    return {
        "base": Part((), {"image": facts.base.digest, "image kind": facts.base.kind}),
        "users": users_part(build.users),
        "env": env_part(build.env, inherited),
        "habitat": habitat_part(build.habitat),
        "files": files_part(build.files.copies, facts.copies),
        "setup": setup_part(build.setup, facts.scripts),
        "repos": repos_part(build.repos, facts.repos),
        "tools": tools_part(build.tools),
        "verify": commands("check", build.verify),
        "final": final_part(build.final),
    }


def _recipe(phase: Phase, build: Build, own: Part) -> PhaseRecipe:
    """What the phase does, between the commands that were hooked before and after it."""
    before, after = commands("before", build.before.of(phase.name)), commands("after", build.after.of(phase.name))
    whole = joined([before, own, after])
    return PhaseRecipe(phase, whole.actions, whole.inputs, build.time_limits.of(phase.name))
