"""``python -m workbench``: the same engine as the interface, for scripts."""

import sys

from workbench.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
