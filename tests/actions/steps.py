"""The modules of ``github-actions/step`` as its steps import them: by their plain names, from their own folder."""

import sys

from actions.action_file import FOLDER

sys.path.insert(0, str(FOLDER / "step"))

import caching
import comment
import inputs
import login
import scene
import site_stages

__all__ = ["caching", "comment", "inputs", "login", "scene", "site_stages"]
