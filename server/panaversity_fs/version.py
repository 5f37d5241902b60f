"""The version of this distribution, from its metadata.

Knows the distribution's name only.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("panaversity-fs")
except PackageNotFoundError:  # run from a source tree that was never installed
    VERSION = "0.0.0"
