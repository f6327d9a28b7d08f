"""The folder of whatever waits in the queue, runs in the worker and is kept: a run or a training."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.core.errors import StoreError
from workbench.core.records import RunState
from workbench.core.weights import write_atomically


@dataclass(frozen=True)
class JobFolder:
    """Reads and writes ``run.json`` and files that only grow. A reader never sees a half-written one."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    def manifest(self) -> dict[str, Any]:
        """Return `run.json`; raises `StoreError`."""
        try:
            return json.loads((self.path / "run.json").read_text())
        except FileNotFoundError:
            raise StoreError(f"{self.path} holds no run (no run.json). Name the folder of a run.") from None
        except (json.JSONDecodeError, OSError) as error:
            raise StoreError(f"{self.path / 'run.json'} cannot be read ({error}).") from None

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        try:
            write_atomically(self.path / "run.json", (json.dumps(manifest, indent=1, allow_nan=False) + "\n").encode())
        except OSError as error:
            raise StoreError(
                f"{self.path} cannot be written ({error.strerror}). Free some space or name another "
                "folder with --out or WORKBENCH_RUNS."
            ) from None

    def update(self, **fields: Any) -> dict[str, Any]:
        manifest = {**self.manifest(), **fields}
        self.write_manifest(manifest)
        return manifest

    def state(self) -> RunState:
        return RunState(self.manifest()["state"])

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Return a JSON file of the folder, None if it is not there."""
        try:
            return json.loads((self.path / name).read_text())
        except FileNotFoundError:
            return None

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        write_atomically(self.path / name, json.dumps(value, allow_nan=False).encode())

    def append(self, name: str, line: str) -> None:
        """Add one line to a file that only grows."""
        with (self.path / name).open("a") as file:
            file.write(line + "\n")

    def whole_lines(self, name: str) -> str:
        """Return a file that only grows, cut at its last whole line; "" before its first."""
        try:
            text = (self.path / name).read_text()
        except FileNotFoundError:
            return ""
        return text[: text.rfind("\n") + 1]
