"""Starts the interface: ``python app.py [--port PORT] ...``, the same as ``python -m workbench serve``."""

import sys

from workbench.commands import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
