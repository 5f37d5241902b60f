"""Settings: flag > environment > ``.env`` > ``[tool.panaversity]`` or ``book.toml`` > default (DESIGN 10).

Everything is read once and frozen; each value keeps its origin. Environment, folder and names of user and machine come
in as arguments, and nothing is ever written to the environment. Knows files of settings; does not know commands.
"""

from panaversity_builder.config.files import BOOK_FILE, PROJECT_FILE, SITE_CONFIGS
from panaversity_builder.config.layers import load_config
from panaversity_builder.config.live import LiveConfig
from panaversity_builder.config.shape import Config
from panaversity_builder.config.table import SETTINGS, Setting

__all__ = ["BOOK_FILE", "PROJECT_FILE", "SETTINGS", "SITE_CONFIGS", "Config", "LiveConfig", "Setting", "load_config"]
