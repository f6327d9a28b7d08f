"""The folder of whatever waits in the queue, runs in the worker and is kept: a run or a training."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from workbench.core.errors import DamagedRun, StoreError
from workbench.core.records import RunConfig, RunState, TrainingConfig
from workbench.core.versions import versions
from workbench.core.weights import write_atomically

LAST_LINE = 8192  # bytes that hold any last line


@dataclass(frozen=True)
class JobFolder:
    """Reads and writes ``run.json`` and files that only grow. A reader never sees a half-written one."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @classmethod
    def _made(cls, path: Path, inside: str, config: RunConfig | TrainingConfig, **fields: Any) -> Self:
        """Make the folder of a job that waits to start, with the folder `inside` in it; raises `StoreError`."""
        try:
            (path / inside).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"The run folder {path} cannot be written ({error.strerror}). Choose another with --out, "
                "--runs or the WORKBENCH_RUNS variable."
            ) from None
        folder = cls(path)
        folder.write_manifest(
            {
                "id": path.name,
                "config": config.to_json(),
                "versions": versions(),
                "state": RunState.QUEUED.value,
                "reason": "",
                "name": "",
                "created": time.time(),
                **fields,
            }
        )
        return folder

    def manifest(self) -> dict[str, Any]:
        """Return `run.json`; raises `DamagedRun` if it is gone or is no record of a run."""
        try:
            manifest = json.loads((self.path / "run.json").read_bytes())
        except FileNotFoundError:
            raise DamagedRun(f"{self.path} holds no run (no run.json). Name the folder of a run.") from None
        except (ValueError, RecursionError) as error:  # not UTF-8, not JSON
            raise DamagedRun(f"{self.path / 'run.json'} cannot be read ({error}).") from None
        except OSError as error:
            raise StoreError(f"{self.path / 'run.json'} cannot be read ({error.strerror}).") from None
        if not isinstance(manifest, dict) or "config" not in manifest or "state" not in manifest:
            raise DamagedRun(f"{self.path / 'run.json'} is not the record of a run.")
        return manifest

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Replace `run.json`, to stay even through a power cut; raises `StoreError`."""
        data = (json.dumps(manifest, indent=1, allow_nan=False) + "\n").encode()
        try:
            write_atomically(self.path / "run.json", data, durable=True)
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
        """Return the state on record; raises `DamagedRun` for one that is unknown."""
        state = self.manifest()["state"]
        try:
            return RunState(state)
        except ValueError:
            raise DamagedRun(f"{self.path / 'run.json'} tells of an unknown state, {str(state)[:40]!r}.") from None

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

    def last_line(self, name: str) -> str:
        """Return the last whole line of a file that only grows, without reading the others; "" before its first."""
        try:
            with (self.path / name).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - LAST_LINE))
                lines = file.read().decode(errors="replace").split("\n")
        except FileNotFoundError:
            return ""
        return lines[-2] if len(lines) > 1 else ""
