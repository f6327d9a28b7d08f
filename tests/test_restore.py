"""Settings that come back out of what a run leaves behind, and files that only pretend to hold some."""

from __future__ import annotations

import io
import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from workbench.__main__ import main
from workbench.commands.running import configured
from workbench.core.errors import UsageError, WorkbenchError
from workbench.core.records import Fork, RunConfig
from workbench.engine.presets import PRESETS, default_config
from workbench.engine.restore import MOST_BYTES, MOST_TEXT, restore
from workbench.runs.picture_text import CHUNK, picture_text

CONFIG = default_config(
    "digits",
    "gmi",
    classes=[0, 2],
    restarts=3,
    seed=12,
    budget=5000,
    asks=4,
    defense="bido+rounding",
    knobs={"steps": 40, "lr": 0.011},
)


def record(config: RunConfig = CONFIG, **more: object) -> dict:
    return {"id": "0101-000000-gmi-abcd", "config": {**config.to_json(), **more}, "versions": {}}


def png(info: PngInfo | None = None) -> bytes:
    held = io.BytesIO()
    Image.new("L", (8, 8)).save(held, "PNG", pnginfo=info)
    return held.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(kind: bytes, body: bytes) -> bytes:
    """Return a PNG with one more chunk after its header."""
    plain = png()
    return plain[:33] + chunk(kind, body) + plain[33:]


@pytest.mark.parametrize("config", [CONFIG, *(preset.config for preset in PRESETS)])
def test_settings_come_back_the_same_from_a_picture_and_from_a_record(config: RunConfig) -> None:
    text = record(config)
    assert restore(png(picture_text(text))).config == config
    assert restore(json.dumps(text).encode()).config == config
    assert restore(json.dumps(config.to_json()).encode()).config == config


def test_settings_come_back_from_compressed_and_international_text() -> None:
    text = json.dumps(record()).encode()
    assert restore(with_chunk(b"zTXt", CHUNK.encode() + b"\0\0" + zlib.compress(text))).config == CONFIG
    assert restore(with_chunk(b"iTXt", CHUNK.encode() + b"\0\0\0en\0\0" + text)).config == CONFIG
    assert restore(with_chunk(b"iTXt", CHUNK.encode() + b"\0\1\0\0\0" + zlib.compress(text))).config == CONFIG


def test_where_a_run_began_is_left_out_and_said() -> None:
    forked = replace(CONFIG, fork=Fork("0101-000000-gmi-abcd", 7))
    restored = restore(json.dumps(record(forked)).encode())
    assert restored.config == CONFIG and "start anew" in restored.notes[0]


@pytest.mark.parametrize("at", [9, 20, 40, -20, -1])
def test_a_picture_that_is_cut_short_is_refused(at: int) -> None:
    whole = png(picture_text(record()))
    assert restore(whole).config == CONFIG
    cut = whole[:at]
    if at == -1 or at == -20:  # the settings come first; what is missing is of the picture alone
        assert restore(cut).config == CONFIG
    else:
        with pytest.raises(UsageError, match=r"damaged or cut short|neither"):
            restore(cut)


def test_a_text_that_was_changed_by_hand_is_refused() -> None:
    with pytest.raises(UsageError, match="damaged"):
        restore(png(picture_text(record())).replace(b'"seed": 12', b'"seed": 13'))


def test_a_bomb_is_not_inflated() -> None:
    bomb = zlib.compress(b"0" * (200 * 2**20), 9)
    for kind, head in ((b"zTXt", b"\0\0"), (b"iTXt", b"\0\1\0\0\0")):
        with pytest.raises(UsageError, match="larger than any"):
            restore(with_chunk(kind, CHUNK.encode() + head + bomb))


def test_sizes_that_a_file_claims_are_not_believed() -> None:
    for claimed in (2**31, 2**32 - 1, 10**6):
        with pytest.raises(UsageError, match="damaged"):
            restore(png()[:33] + struct.pack(">I", claimed) + b"tEXt" + CHUNK.encode() + b"\0{}")
    with pytest.raises(UsageError, match="larger than any"):
        restore(with_chunk(b"tEXt", CHUNK.encode() + b"\0" + b" " * (MOST_TEXT + 1)))
    with pytest.raises(UsageError, match="8 MB"):
        restore(b" " * (MOST_BYTES + 1))
    with pytest.raises(UsageError, match="damaged"):
        restore(png()[:8] + chunk(b"teXt", b"") * 200_000)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b"{}",
        b'{"config": 3}',
        b'{"config": {"kind": "training", "scenario": "faces"}}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 100_000,
        b'{"config": {"scenario": NaN}}',
        b"\x80\x04\x95.",
        png(),
    ],
    ids=range(15),
)
def test_what_holds_no_settings_is_refused_in_a_sentence(data: bytes) -> None:
    with pytest.raises(UsageError, match=r"[a-z .]\.$"):
        restore(data)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"attack": "no-such-attack"}, "No attack named"),
        ({"scenario": "../../etc"}, "No scenario named"),
        ({"scenario": 3}, "scenario is not a name"),
        ({"scenario": "x" * 5000}, "scenario is not a name"),
        ({"target": "http:evil"}, "not among the targets that the command line allows"),
        ({"target": "/etc/passwd"}, "named '/etc/passwd'"),
        ({"target": None}, "target is not a name"),
        ({"defense": "bido(strength=1e99)"}, "strength"),
        ({"defense": ["bido"]}, "defense is not a name"),
        ({"prior": "../gan"}, "No prior named"),
        ({"prior": {}}, "prior is not a name"),
        ({"classes": "all"}, "classes are not"),
        ({"classes": [True]}, "classes are not"),
        ({"classes": [0, 99]}, "there is no class 99"),
        ({"classes": []}, "No class was chosen"),
        ({"classes": [2**70]}, "there is no class"),
        ({"restarts": 500}, "Tries per class 500 is out of range"),
        ({"restarts": "3"}, "Tries per class is not a number"),
        ({"seed": -3}, "Seed -3 is out of range"),
        ({"seed": 1.5}, "Seed 1.5 is not a whole number"),
        ({"seed": 10**400}, "Seed"),
        ({"budget": 0}, "Query limit 0 is out of range"),
        ({"asks": True}, "Asks per question is not a number"),
        ({"knobs": {"steps": 10**9}}, "steps"),
        ({"knobs": {"nonsense": 1}}, "nonsense"),
        ({"knobs": {"steps": [1]}}, "knobs"),
        ({"knobs": [1]}, "knobs"),
        ({"__class__": "os.system"}, "does not know: __class__"),
    ],
    ids=str,
)
def test_a_value_that_is_not_allowed_is_refused_with_a_reason(change: dict, says: str) -> None:
    with pytest.raises(WorkbenchError) as refused:
        restore(json.dumps(record(**change)).encode())
    assert says in str(refused.value)


def options(*flags: str):
    import argparse

    from workbench.commands.running import Run

    parser = argparse.ArgumentParser()
    Run.arguments(parser)
    return parser.parse_args(flags)


def test_the_command_line_takes_settings_from_a_file_and_flags_override_them(tmp_path: Path) -> None:
    file = tmp_path / "sheet.png"
    file.write_bytes(png(picture_text(record())))
    source = ("--from", str(file))
    assert configured(options(*source)) == CONFIG
    changed = configured(options(*source, "--seed", "3", "--classes", "1", "--set", "steps=7", "--defense", "none"))
    assert changed == replace(CONFIG, seed=3, classes=(1,), knobs={**CONFIG.knobs, "steps": 7}, defense="none")
    another = configured(options(*source, "--attack", "brep-mi"))
    assert (
        another.attack == "brep-mi"
        and another.seed == 12
        and another.knobs == default_config("digits", "brep-mi").knobs
    )
    elsewhere = configured(options(*source, "--scenario", "faces"))
    assert elsewhere.scenario == "faces" and len(elsewhere.classes) == 40 and elsewhere.knobs == CONFIG.knobs
    assert configured(options(*source, "--preset", "demo")).knobs == default_config("digits", "gmi").knobs


def test_the_command_line_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--attack", "gmi"]) == 2
    assert "--scenario" in capsys.readouterr().err
    assert main(["run", "--from", str(tmp_path / "nowhere.png")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_pictures_and_record_of_a_real_run_repeat_it(tmp_path: Path) -> None:
    out = tmp_path / "first"
    flags = ["--classes", "0,1", "--seed", "5", "--set", "steps=2", "--device", "cpu", "--threads", "1"]
    assert main(["run", "--scenario", "digits", "--attack", "mi-face", *flags, "--out", str(out)]) == 0
    first = json.loads((out / "run.json").read_text())["config"]
    for name in ("images.png", "run.json"):
        again = tmp_path / name.replace(".", "-")
        assert main(["run", "--from", str(out / name), "--device", "cpu", "--threads", "1", "--out", str(again)]) == 0
        assert json.loads((again / "run.json").read_text())["config"] == first
