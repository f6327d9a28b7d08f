"""The command line. One file a command; exit status 0 done, 1 failed, 2 wrong request."""

from __future__ import annotations

import argparse
import logging
import sys

from workbench.commands.base import COMMANDS
from workbench.core.errors import UsageError, WorkbenchError

MODULE = "python -m workbench"


def parser_of(program: str = MODULE) -> argparse.ArgumentParser:
    """Return the parser of the whole command line; `command` is set to what `run` is to be called of.

    Args:
        program: what the help calls this program.
    """
    parser = argparse.ArgumentParser(prog=program, description="Model Inversion Workbench")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for entry in COMMANDS:
        sub = commands.add_parser(entry.key, help=entry.title, description=entry.title)
        entry.item.arguments(sub)
        sub.set_defaults(command=entry.item)
    return parser


def main(arguments: list[str], program: str = MODULE) -> int:
    """Run one command; returns the exit status. Messages for people go to standard error."""
    options = parser_of(program).parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        return options.command.run(options) or 0
    except WorkbenchError as error:
        print(f"{'error' if isinstance(error, UsageError) else 'failed'}: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 1


def main_script() -> int:
    """Run the command line of the installed script ``mi-workbench``."""
    return main(sys.argv[1:], "mi-workbench")
