"""``bring-table``: keep a CSV, so that its records can be attacked."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workbench.commands.base import command
from workbench.core.errors import DataMissing, UsageError
from workbench.tabular.reading import ensure_size
from workbench.tabular.scenarios.own import FILES, Declared, bring, keep


@command("bring-table", "Keep a CSV for attribute inference", order=12)
class BringTable:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="a CSV; delimiter and encoding are found out")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--as", dest="known", choices=FILES, help="the file of a scenario that ships without records")
        what.add_argument("--name", help="a scenario of its own, table:NAME")
        parser.add_argument("--sensitive", metavar="COLUMN", help="the column that is inferred")
        parser.add_argument("--response", metavar="COLUMN", help="the column that the target predicts")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    @staticmethod
    def run(options: argparse.Namespace) -> None:
        try:
            ensure_size(options.file.stat().st_size)
            data = options.file.read_bytes()
        except OSError as error:
            raise DataMissing(f"{options.file} cannot be read ({error.strerror}).") from None
        if options.known is not None:
            keep(data, options.known)
            said = {"scenario": options.known.removesuffix("-public"), "file": options.known}
            print(json.dumps(said) if options.json else f"kept as the file '{options.known}'")
            return
        if options.sensitive is None or options.response is None:
            raise UsageError(
                "Say which column is inferred and which one is predicted: --sensitive COLUMN --response COLUMN."
            )
        made = bring(data, options.name, Declared(options.sensitive, options.response))
        records = made.records
        found = {
            "scenario": f"table:{options.name}",
            "private": len(records.private),
            "public": len(records.public),
            "columns": list(records.private.names),
            "notes": list(records.notes),
        }
        if options.json:
            print(json.dumps(found))
            return
        print(*records.notes, sep="\n", end="\n" if records.notes else "")
        print(f"table:{options.name}: {len(records.private)} private records, {len(records.public)} public ones")
        print(f"python -m workbench run --scenario table:{options.name} --attack csmia")
