#!/usr/bin/env python3
"""Hydrate a book: ``panaversity hydrate`` under the name existing pipelines call (FR-101).

Adds nothing: options, settings, exit status and the default output ``apps/learn-app/book`` are the command's.
"""

import sys

try:
    from panaversity_builder.cli import main
except ImportError:
    sys.exit(
        "hydrate-book: panaversity-fs: is not installed for this Python. Run `make install`, then use .venv/bin/python."
    )

if __name__ == "__main__":
    sys.argv[1:1] = ["hydrate"]
    main()
