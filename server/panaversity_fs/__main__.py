"""``python -m panaversity_fs``: the same as the command ``panaversity-fs``.

Knows nothing else.
"""

from panaversity_fs.cli import main

if __name__ == "__main__":
    main()
