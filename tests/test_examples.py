"""Recorded examples: what is kept of a run, and that only a card's own example is ever shown."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image
from safetensors.torch import save

from workbench.commands import main
from workbench.core.errors import Failure, UnknownName
from workbench.core.paths import ROOT
from workbench.core.records import RunConfig, RunState
from workbench.engine import examples
from workbench.engine.examples import (
    EXAMPLES,
    MOST_BYTES,
    MOST_FRAMES,
    example_of,
    has_example,
    keep_example,
    kept_frames,
)
from workbench.engine.presets import PRESETS, Preset, default_config
from workbench.runs.contact_sheet import SheetLayout, webp
from workbench.runs.run_folder import RunFolder
from workbench.ui.components.news import still
from workbench.ui.routes import examples as routes

CARD = Preset("two-digits", "Two digits", "", default_config("digits", "gmi", classes=[0, 1]))


def finished(path: Path, config: RunConfig = CARD.config, frames: int = 120) -> RunFolder:
    """Return the folder of a run that has ended, with noise for pictures."""
    folder, grid = RunFolder.fresh(path, config, (1, 32, 32)), SheetLayout.of(2, (1, 32, 32))
    noise = torch.Generator().manual_seed(0)
    folder.append("curves.csv", "frame,step,seconds,queries,confidence,identity")
    for n in range(frames):
        sheet = webp(torch.rand(2, 1, 32, 32, generator=noise), grid)
        (path / "frames" / f"{n:06d}.webp").write_bytes(sheet)
        (path / "frames" / f"{n:06d}.safetensors").write_bytes(save({"latents": torch.zeros(2, 4)}))
        folder.append("curves.csv", f"{n},{n},0.1,{n},0.5,1")
        folder.append("confidence.csv", f"{n},50,60")
    (path / "truth.webp").write_bytes(sheet)
    (path / "scene.json").write_text(json.dumps({"total": frames, "cloud": [[0, 0, 0]] * 300}))
    many = {"n": 500, "overall": {"acc@1": 1.0}, "per_image": {"acc@1": [1.0] * 500}}
    (path / "judgement.json").write_text(json.dumps({"reconstruction": {"n": 2}, "ceiling": many}))
    folder.update(
        state="finished", steps=frames - 1, metrics={"acc@1": 0.5}, device={"type": "cpu", "name": "somebody's"}
    )
    return folder


@pytest.mark.parametrize("count", [1, 5, 24, 25, 60, 241])
def test_a_few_frames_are_kept_with_both_ends_and_more_of_the_early_ones(count: int) -> None:
    frames = [3 * n for n in range(count)]
    kept = kept_frames(frames)
    assert kept == sorted(set(kept)) and set(kept) <= set(frames)
    assert len(kept) <= MOST_FRAMES
    assert (kept[0], kept[-1]) == (frames[0], frames[-1])
    if count > 2 * MOST_FRAMES:
        middle = frames[-1] / 2
        assert sum(f < middle for f in kept) > sum(f > middle for f in kept)


def test_an_example_is_what_the_stage_plays_and_no_more(tmp_path: Path) -> None:
    size = keep_example(finished(tmp_path / "run"), CARD.key, tmp_path / "kept")
    files = {p.relative_to(tmp_path / "kept" / CARD.key).as_posix(): p for p in (tmp_path / "kept").rglob("*.*")}
    assert size == sum(p.stat().st_size for p in files.values()) <= MOST_BYTES
    sheets = [name for name in files if name.startswith("frames/")]
    assert len(sheets) == MOST_FRAMES and all(name.endswith(".webp") for name in sheets)
    assert set(files) - set(sheets) == {
        "run.json",
        "judgement.json",
        "scene.json",
        "curves.csv",
        "confidence.csv",
        "truth.webp",
    }
    assert "somebody's" not in files["run.json"].read_text(), "what it ran on is nobody's business"
    assert "per_image" not in json.loads(files["judgement.json"].read_text())["ceiling"]
    found = example_of(CARD, still, tmp_path / "kept")
    assert found is not None
    assert [f"frames/{frame['frame']:06d}.webp" for frame in found["frames"]] == sorted(sheets)
    assert found["curves"].splitlines()[0].startswith("frame,step")
    assert len(found["curves"].splitlines()) - 1 == len(found["conf"].splitlines()) == MOST_FRAMES
    assert found["status"]["metrics"] == {"acc@1": 0.5}
    assert [c["label"] for c in found["scene"]["candidates"]] == ["zero", "one"]


def test_an_example_of_other_settings_is_not_the_cards(tmp_path: Path) -> None:
    keep_example(finished(tmp_path / "run"), CARD.key, tmp_path)
    assert has_example(CARD, tmp_path)
    assert has_example(replace(CARD, config=replace(CARD.config, device="cuda")), tmp_path), (
        "where it ran is no setting"
    )
    turned = replace(CARD, config=replace(CARD.config, seed=1))
    assert not has_example(turned, tmp_path)
    assert example_of(turned, still, tmp_path) is None
    assert not has_example(replace(CARD, key="another"), tmp_path)


def test_what_is_too_large_is_made_smaller_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = finished(tmp_path / "run")
    usual = keep_example(run, CARD.key, tmp_path)
    monkeypatch.setattr(examples, "MOST_BYTES", usual - 1)
    assert keep_example(run, CARD.key, tmp_path) < usual
    monkeypatch.setattr(examples, "MOST_BYTES", 1000)
    with pytest.raises(Failure, match="fewer classes"):
        keep_example(run, CARD.key, tmp_path)
    assert has_example(CARD, tmp_path), "the earlier one stays"


@pytest.mark.parametrize(("state", "kept"), [(RunState.FINISHED, True), (RunState.FAILED, False)])
def test_the_command_runs_a_card_and_keeps_what_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: RunState, kept: bool
) -> None:
    ran = []

    def execute(config: RunConfig, folder: RunFolder, *_: object, **__: object) -> RunState:
        ran.append(config)
        finished(folder.path, config)
        folder.update(state=state.value, reason="" if kept else "out of memory")
        return state

    monkeypatch.setattr("workbench.commands.recording.execute", execute)
    card = PRESETS[0]
    said = main(["record-examples", "--card", card.key, "--write", str(tmp_path), "--device", "cpu", "--threads", "1"])
    assert ran == [card.config], "as the card has it, seed and all"
    assert (said == 0, has_example(card, tmp_path)) == (kept, kept)


def test_a_page_gets_a_cards_example_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_example(finished(tmp_path / "run"), CARD.key, tmp_path)
    (tmp_path / "other").mkdir()
    monkeypatch.setattr("workbench.engine.presets.PRESETS", (CARD, replace(CARD, key="bare")))
    monkeypatch.setattr(routes, "example_of", lambda card, scene: example_of(card, scene, tmp_path))
    routes.answer.cache_clear()
    server = FastAPI()
    server.include_router(routes.router)
    client = TestClient(server)
    answer = client.get(f"/wb/examples/{CARD.key}.json")
    assert answer.status_code == 200 and answer.json()["key"] == CARD.key
    again = client.get(f"/wb/examples/{CARD.key}.json", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert client.get("/wb/examples/bare.json").status_code == 404
    with pytest.raises(UnknownName):
        client.get("/wb/examples/other.json")
    routes.answer.cache_clear()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*")), ids=lambda path: path.name)
def test_shipped_examples_are_small(path: Path) -> None:
    files = [p for p in path.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) <= MOST_BYTES
    sheets = sorted((path / "frames").iterdir())
    assert 1 < len(sheets) <= MOST_FRAMES
    with Image.open(sheets[-1]) as last:
        assert last.size == tuple(side * count for side, count in zip(*sheet_of(path), strict=True))
    truth = path / "truth.webp"
    if RunFolder(path).config().scenario == "lfw":
        assert not truth.exists(), "its photographs may not be passed on"
    else:
        with Image.open(truth) as true:
            assert true.size == last.size


def sheet_of(path: Path) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return an example's picture size and its columns and rows."""
    scene = json.loads((path / "scene.json").read_text())["sheet"]
    return tuple(scene["tile"]), (scene["columns"], scene["rows"])


def test_every_step_of_the_lesson_that_a_card_names_is_one() -> None:
    steps = (ROOT / "assets" / "lesson" / "steps.js").read_text()
    named = {step for card in PRESETS for step in card.lesson}
    assert named
    assert all(f'id: "{step}"' in steps for step in named)
