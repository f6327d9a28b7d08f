"""Settings read back from what a run leaves behind: its record (JSON), or a picture (PNG) that carries them.

Whatever is read may have been made by anybody. So the bytes are looked at without decoding a picture, no size that
they claim is believed, and every value is checked as if a person had typed it; nothing in them is ever a path.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.attacks import ATTACKS
from workbench.core.errors import UsageError
from workbench.core.records import RunConfig
from workbench.defenses.plan import Plan
from workbench.engine.presets import default_config
from workbench.priors import PRIORS
from workbench.runs.picture_text import CHUNK
from workbench.runs.store import RUN_ID
from workbench.scenarios import SCENARIOS
from workbench.tabular.fitting import default_table_config
from workbench.tabular.models import MODELS
from workbench.tabular.scenarios import is_table
from workbench.targets import ARCHITECTURES
from workbench.targets.remote.sources import is_foreign, source_of

PNG = b"\x89PNG\r\n\x1a\n"
KEYWORD = CHUNK.encode() + b"\0"
MOST_BYTES = 8 * 2**20  # of a file
MOST_TEXT = 256 * 2**10  # of the settings in it
MOST_CHUNKS = 10_000
LONGEST_WORD = 200
MOST_ASKS, MOST_RESTARTS, MOST_SEED, MOST_BUDGET = 1000, 64, 2**31 - 1, 2**53

NEITHER = "This is neither a PNG picture nor a JSON record of a run."
NOTHING_IN_IT = (
    "This picture holds no settings. Take a sheet that the workbench has written (Runs, More, Sheet), and keep it as "
    "it is: programs that edit pictures throw the settings away."
)
DAMAGED = "This PNG picture is damaged or cut short."


@dataclass(frozen=True)
class Restored:
    """Settings that were read back.

    Attributes:
        notes: what was left out, a sentence each.
        source: the id of the run whose settings they were; "" where that is not told.
    """

    config: RunConfig
    notes: tuple[str, ...] = ()
    source: str = ""


def restore(data: bytes) -> Restored:
    """Return the settings in a file's bytes.

    Raises:
        UsageError: the file is too large, damaged, of another kind, or says something that is not allowed.
    """
    if len(data) > MOST_BYTES:
        raise UsageError(f"The file is larger than {MOST_BYTES // 2**20} MB; no record of settings is.")
    return config_from(parsed(text_in_png(data) if data.startswith(PNG) else data))


def parsed(text: bytes) -> Any:
    """Return JSON as plain data; raises `UsageError` for anything that is not strictly that."""
    if len(text) > MOST_BYTES:
        raise UsageError(NEITHER)
    try:
        return json.loads(text.decode(), parse_constant=_no_constant)
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise UsageError(NEITHER) from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def text_in_png(data: bytes) -> bytes:
    """Return the text that a PNG file holds under `CHUNK`, compressed or not; the picture itself is not decoded."""
    at = len(PNG)
    for _ in range(MOST_CHUNKS):
        if at + 12 > len(data):
            raise UsageError(DAMAGED)
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        end = at + 12 + length
        if end > len(data):
            raise UsageError(DAMAGED)
        body = data[at + 8 : end - 4]
        if kind == b"IEND":
            raise UsageError(NOTHING_IN_IT)
        if kind in READERS and body.startswith(KEYWORD):
            if zlib.crc32(kind + body) != struct.unpack(">I", data[end - 4 : end])[0]:
                raise UsageError(DAMAGED)
            text = READERS[kind](body[len(KEYWORD) :])
            if len(text) > MOST_TEXT:
                raise UsageError("The settings in this picture are larger than any that the workbench writes.")
            return text
        at = end
    raise UsageError(DAMAGED)


def _inflated(data: bytes) -> bytes:
    """Return what was compressed, one byte more than allowed at most, whatever it would grow to."""
    try:
        return zlib.decompressobj().decompress(data, MOST_TEXT + 1)
    except zlib.error:
        raise UsageError(DAMAGED) from None


def _compressed(body: bytes) -> bytes:
    return _inflated(body[1:])  # a byte names the method; there is one


def _international(body: bytes) -> bytes:
    compressed, rest = body[:1] == b"\1", body[2:]
    text = rest.split(b"\0", 2)[-1]  # a language and a translated keyword come before
    return _inflated(text) if compressed else text


READERS: Mapping[bytes, Callable[[bytes], bytes]] = {
    b"tEXt": lambda body: body,
    b"zTXt": _compressed,
    b"iTXt": _international,
}


def config_from(data: Any) -> Restored:
    """Return the settings in a run's record, or a configuration by itself, every value of it checked.

    Raises:
        UsageError: it is of another shape, or a value of it isn't allowed.
    """
    if not isinstance(data, Mapping):
        raise UsageError("This is no record of a run: it holds no settings.")
    config = data.get("config", data)
    if not isinstance(config, Mapping) or config.get("kind") == "training" or "scenario" not in config:
        raise UsageError("This is no record of a run: it holds no settings of an attack.")
    known = RunConfig.__dataclass_fields__
    if foreign := [str(name)[:40] for name in config if name not in known]:
        raise UsageError(f"The record has a setting that this workbench does not know: {foreign[0]}.")
    scenario = _word(config, "scenario")
    if is_table(scenario):
        return Restored(_table_config(config), source=_source(data))
    SCENARIOS.entry(scenario)
    attack = _word(config, "attack")
    ATTACKS.entry(attack)
    target = _word(config, "target", SCENARIOS[scenario].default_target)
    if is_foreign(target):
        source_of(target)
    else:
        ARCHITECTURES.entry(target)
    defense = str(Plan.of(_word(config, "defense", "none")))
    knobs = config.get("knobs", {})
    if not isinstance(knobs, Mapping) or not all(isinstance(v, (str, int, float, bool)) for v in knobs.values()):
        raise UsageError("The record's knobs are not names with values.")
    chosen: dict[str, Any] = {}
    if config.get("prior") is not None:
        chosen["prior"] = _word(config, "prior")
        PRIORS.entry(chosen["prior"])
    budget = config.get("budget")
    restored = default_config(
        scenario,
        attack,
        knobs=dict(knobs),
        target=target,
        defense=defense,
        classes=_classes(config.get("classes")),
        restarts=whole(config.get("restarts", 1), "Tries per class", 1, MOST_RESTARTS),
        seed=whole(config.get("seed", 0), "Seed", 0, MOST_SEED),
        budget=None if budget is None else whole(budget, "Query limit", 1, MOST_BUDGET),
        asks=whole(config.get("asks", 1), "Asks per question", 1, MOST_ASKS),
        **chosen,
    )
    began = "The run began from a frame of another run. These settings start anew." if config.get("fork") else ""
    return Restored(restored, (began,) if began else (), _source(data))


def _source(data: Mapping[str, Any]) -> str:
    """Return the id of the run whose record this is, "" where it says none."""
    source = data.get("id")
    return source if isinstance(source, str) and RUN_ID.fullmatch(source) else ""


def _table_config(config: Mapping[str, Any]) -> RunConfig:
    """Return the settings of an attribute inference, checked as those of any other run."""
    scenario, attack = _word(config, "scenario"), _word(config, "attack")
    knobs = config.get("knobs", {})
    if not isinstance(knobs, Mapping) or not all(isinstance(v, (str, int, float, bool)) for v in knobs.values()):
        raise UsageError("The record's knobs are not names with values.")
    budget = config.get("budget")
    restored = default_table_config(
        scenario,
        attack,
        knobs=dict(knobs),
        target=_word(config, "target"),
        defense=_word(config, "defense", "none"),
        classes=_classes(config.get("classes")),
        seed=whole(config.get("seed", 0), "Seed", 0, MOST_SEED),
        budget=None if budget is None else whole(budget, "Query limit", 1, MOST_BUDGET),
    )
    MODELS.entry(restored.target)
    return restored


def whole(value: Any, name: str, lo: int, hi: int) -> int:
    """Return a whole number between `lo` and `hi`; raises `UsageError` with a sentence that says what is allowed."""
    allowed = f"Allowed: whole numbers from {lo:,} to {hi:,}."
    if value is None or value == "":
        raise UsageError(f"{name} is empty. {allowed}")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        raise UsageError(f"{name} is not a number. {allowed}")
    said = f"{name} {str(value).removesuffix('.0')[:24]}"
    if not lo <= value <= hi:
        raise UsageError(f"{said} is out of range. {allowed}")
    if value != int(value):
        raise UsageError(f"{said} is not a whole number. {allowed}")
    return int(value)


def _word(config: Mapping[str, Any], name: str, usual: str | None = None) -> str:
    value = config.get(name, usual)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_WORD:
        raise UsageError(f"The record's {name} is not a name.")
    return value


def _classes(value: Any) -> list[int]:
    right = isinstance(value, list) and len(value) <= 10_000
    if not right or not all(isinstance(c, int) and not isinstance(c, bool) for c in value):
        raise UsageError("The record's classes are not a list of whole numbers.")
    return list(value)
