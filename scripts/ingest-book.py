#!/usr/bin/env python3
"""Ingest a book: ``panaversity ingest`` under the name existing pipelines call (FR-201).

Adds nothing: options, settings, exit status and the default source ``apps/learn-app/docs/`` are the command's.
"""

import sys

try:
    from panaversity_builder.cli import main
except ImportError:
    sys.exit(
        "ingest-book: panaversity-fs: is not installed for this Python. Run `make install`, then use .venv/bin/python."
    )

if __name__ == "__main__":
    sys.argv[1:1] = ["ingest"]
    main()
