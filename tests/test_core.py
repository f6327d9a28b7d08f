"""Registry, knobs, records and weights: the parts that everything else leans on."""

from __future__ import annotations

import builtins
import importlib
import io
import json
import math
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.attacks import ATTACKS
from workbench.core import weights
from workbench.core.errors import DataMissing, KnobError, UnknownName, WeightsCorrupt
from workbench.core.knobs import Knob, configure, knob, knobs_of, values_of
from workbench.core.paths import ROOT
from workbench.core.payloads import Images
from workbench.core.records import Access, Frame, RunState
from workbench.core.registry import Info
from workbench.defenses import DEFENSES
from workbench.metrics import METRICS
from workbench.priors import PRIORS
from workbench.scenarios import SCENARIOS
from workbench.targets import ARCHITECTURES

REGISTRIES = [ATTACKS, DEFENSES, METRICS, PRIORS, SCENARIOS, ARCHITECTURES]
each_registry = pytest.mark.parametrize("registry", REGISTRIES, ids=lambda r: r.kind)


# Registries


@each_registry
def test_an_unknown_name_is_answered_with_the_nearest(registry):
    known = registry.keys()[0]
    with pytest.raises(UnknownName, match=rf"No {registry.kind} named '{known}x'. Did you mean '{known}'\? Known: "):
        registry[known + "x"]
    assert known in registry and known + "x" not in registry


@each_registry
def test_every_entry_has_a_title_and_a_kebab_case_key(registry):
    for entry in registry:
        assert entry.title
        assert set(entry.key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_@")


@each_registry
def test_loading_twice_changes_nothing(registry):
    before = registry.keys()
    registry.load()
    assert registry.keys() == before and len(set(before)) == len(before)


def test_a_name_like_nothing_lists_what_there_is(empty_registry):
    with pytest.raises(UnknownName, match=r"No thing named 'x'. Known: none\."):
        empty_registry["x"]


def test_a_key_taken_twice_names_both_modules(empty_registry):
    first, second = type("A", (), {"__module__": "here"}), type("B", (), {"__module__": "there"})
    assert empty_registry.register(Info(key="key", title="A"))(first) is first
    with pytest.raises(ValueError, match="thing 'key' is registered by both here and there"):
        empty_registry.register(Info(key="key", title="B"))(second)
    assert empty_registry["key"] is first


def test_a_module_that_cannot_be_imported_is_tried_again(empty_registry, tmp_path):
    module = tmp_path / "nothing_here" / "late.py"
    module.write_text("raise OSError('no libcuda')")
    for _ in range(2):
        with pytest.raises(OSError, match="no libcuda"):
            empty_registry.load()
    module.write_text("")
    importlib.invalidate_caches()
    assert empty_registry.keys() == []
    assert "nothing_here.late" in sys.modules


def test_who_asks_while_another_thread_loads_gets_all_of_it(empty_registry, tmp_path, monkeypatch):
    begun, go = threading.Event(), threading.Event()
    monkeypatch.setattr(builtins, "_wait_here", lambda: (begun.set(), go.wait(10)), raising=False)
    (tmp_path / "nothing_here" / "slow.py").write_text("_wait_here()")
    with ThreadPoolExecutor() as pool:
        first = pool.submit(empty_registry.keys)
        assert begun.wait(10)
        second = pool.submit(empty_registry.keys)
        with pytest.raises(TimeoutError):
            second.result(timeout=0.05)
        empty_registry.register(Info(key="late", title="Late"))(object)
        go.set()
        assert first.result(10) == second.result(10) == ["late"]


@each_registry
def test_what_an_entry_says_of_itself_is_typed_and_stays(registry):
    for entry in registry:
        assert isinstance(entry.info, Info) and (entry.key, entry.title) == (entry.info.key, entry.info.title)
        with pytest.raises(FrozenInstanceError):
            entry.info.title = "another"


def test_entries_come_in_their_order(empty_registry):
    for key, order in (("c", 1), ("b", 2), ("a", 2)):
        empty_registry.register(Info(key=key, title=key, order=order))(object)
    assert empty_registry.keys() == ["c", "a", "b"]


# Knobs


@dataclass(frozen=True)
class Example:
    """One knob of each kind."""

    steps: int = knob(10, 1, 100, help="How many.")
    lr: float = knob(0.1, 1e-3, 1.0, log=True, help="How far.")
    fast: bool = knob(False, help="Whether.")
    way: str = knob("up", choices={"up": "Up", "down": "Down"}, help="Where.")


KNOBS = knobs_of(Example)


@given(st.integers(1, 100))
def test_a_whole_number_in_range_is_taken_in_any_spelling(n):
    for spelling in (n, float(n), str(n), f" {n} ", f"{n}.0"):
        parsed = KNOBS["steps"].parse(spelling)
        assert parsed == n and type(parsed) is int


@given(st.floats(1e-3, 1.0))
def test_a_number_in_range_is_taken_unchanged(x):
    assert KNOBS["lr"].parse(x) == KNOBS["lr"].parse(repr(x)) == x


@given(
    st.one_of(
        st.floats(), st.integers(), st.just(10**400), st.text(), st.none(), st.booleans(), st.lists(st.integers())
    )
)
def test_parsing_yields_an_allowed_value_or_a_knob_error(value):
    for k in KNOBS.values():
        try:
            parsed = k.parse(value)
        except KnobError as error:
            assert k.name in str(error)
            continue
        assert type(parsed) is k.kind and k.parse(parsed) == parsed
        if k.lo is not None:
            assert k.lo <= parsed <= k.hi


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("steps", 0, "steps=0 is out of range; allowed: 1 to 100"),
        ("steps", 1.5, "not a whole number"),
        ("steps", "many", "'many' is not a number; allowed: 1 to 100"),
        ("lr", math.nan, "not a finite number"),
        ("lr", math.inf, "not a finite number"),
        ("fast", "perhaps", "use true or false"),
        ("way", "left", "'left' is not one of: up, down"),
    ],
)
def test_a_wrong_value_is_told_what_is_allowed(name, value, words):
    with pytest.raises(KnobError, match=words):
        configure(Example, {name: value})


@pytest.mark.parametrize(("text", "value"), [("true", True), ("NO", False), ("1", True), ("off", False), (True, True)])
def test_truth_has_many_spellings(text, value):
    assert KNOBS["fast"].parse(text) is value


def test_an_unknown_knob_suggests_one():
    with pytest.raises(UnknownName, match=r"No knob of Example named 'step'. Did you mean 'steps'\?"):
        configure(Example, {"step": 3})


def test_a_number_without_a_range_is_refused_at_declaration():
    with pytest.raises(ValueError, match="needs lo and hi"):
        knob(3, help="Nothing.")


def test_values_survive_a_round_trip():
    built = configure(Example, {"steps": "7", "way": "down"})
    assert configure(Example, json.loads(json.dumps(values_of(built)))) == built
    assert list(KNOBS) == ["steps", "lr", "fast", "way"]


@pytest.mark.parametrize(
    "k",
    [
        pytest.param(k, id=f"{registry.kind} {entry.key} {k.name}")
        for registry in (ATTACKS, DEFENSES)
        for entry in registry
        for k in knobs_of(entry.item).values()
    ],
)
def test_every_knob_explains_itself_and_starts_in_range(k: Knob):
    assert k.help.endswith(".")
    assert k.parse(k.default) == k.default and type(k.parse(k.default)) is k.kind
    if k.log:
        assert k.lo > 0


# Frames


def test_a_frame_is_a_copy_of_what_it_was_given():
    given_, latents = torch.zeros(2, 1, 4, 4, requires_grad=True), torch.zeros(2, 3)
    losses, kept, sure = {"loss": torch.zeros(2)}, torch.zeros(2, dtype=torch.bool), torch.zeros(2)
    frame = Frame(0, 1, Images(given_, latents, sure, kept), losses)
    with torch.no_grad():
        given_.fill_(9)
    for t in (latents, losses["loss"], kept, sure):
        t.fill_(1)
    losses["other"] = torch.ones(2)
    payload = frame.payload
    assert not payload.images.requires_grad and payload.count == 2
    for t in (payload.images, payload.latents, payload.confidence, payload.kept, frame.losses["loss"]):
        assert not t.any()
    assert list(frame.losses) == ["loss"]


def test_a_frame_cannot_be_changed():
    frame = Frame(0, 1, Images(torch.zeros(1, 1, 2, 2)), losses={"loss": torch.zeros(1)})
    with pytest.raises(FrozenInstanceError):
        frame.step = 2
    with pytest.raises(FrozenInstanceError):
        frame.payload.images = torch.ones(1, 1, 2, 2)
    with pytest.raises(TypeError):
        frame.losses["loss"] = torch.ones(1)


def test_states_and_access_levels_have_words():
    ended = {RunState.FINISHED, RunState.STOPPED, RunState.FAILED, RunState.DAMAGED}
    assert {s for s in RunState if s.ended} == ended
    assert all(a.label for a in Access) and Access("label") is Access.LABEL


# Weights


@pytest.fixture
def saved(models):
    path = weights.save_weights("a/b", {"w": torch.arange(6.0).view(2, 3), "n": torch.tensor([7])}, {"what": "test"})
    assert models in path.parents
    return path


@pytest.mark.usefixtures("saved")
def test_weights_come_back_as_they_went():
    tensors, card = weights.load_weights("a/b")
    assert torch.equal(tensors["w"], torch.arange(6.0).view(2, 3)) and tensors["n"].item() == 7
    assert card["what"] == "test" and card["bytes"] > 0 and weights.has_weights("a/b")


def test_half_precision_on_disk_is_single_in_memory(models):
    path = weights.save_weights("half", {"w": torch.full((1000,), 0.1), "n": torch.arange(3)}, {}, half=True)
    tensors, _ = weights.load_weights("half")
    assert path.stat().st_size < 2400 and tensors["w"].dtype == torch.float32 and tensors["n"].dtype == torch.int64
    assert torch.allclose(tensors["w"], torch.tensor(0.1), atol=1e-4)


def test_one_changed_byte_is_noticed(saved):
    saved.write_bytes(saved.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(WeightsCorrupt, match=r"b\.safetensors is not the file its card describes .*Restore it"):
        weights.load_weights("a/b")


def test_a_truncated_file_is_noticed(saved):
    saved.write_bytes(saved.read_bytes()[:20])
    with pytest.raises(WeightsCorrupt, match="sha256"):
        weights.load_weights("a/b")


def test_a_file_that_is_no_safetensors_is_noticed_even_if_its_card_vouches_for_it(saved):
    import hashlib

    saved.write_bytes(b"pickle")
    card = json.loads(saved.with_suffix(".json").read_text())
    saved.with_suffix(".json").write_text(json.dumps({**card, "sha256": hashlib.sha256(b"pickle").hexdigest()}))
    with pytest.raises(WeightsCorrupt, match="not a safetensors file"):
        weights.load_weights("a/b")


def test_a_broken_card_is_noticed(saved):
    saved.with_suffix(".json").write_text("{")
    with pytest.raises(WeightsCorrupt, match="is not JSON"):
        weights.load_weights("a/b")


def test_a_missing_file_says_how_to_get_it(saved):
    with pytest.raises(DataMissing, match=r"No weights named 'a/c' in .*python -m workbench train"):
        weights.load_weights("a/c")
    saved.unlink()
    assert not weights.has_weights("a/b")
    with pytest.raises(DataMissing, match="has no weights beside it"):
        weights.load_weights("a/b")


def test_a_write_that_fails_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    opened = Path.open

    class Half(io.FileIO):
        """A file on a disk that fills while it is written."""

        def write(self, data):
            super().write(data[: len(data) // 2])
            raise OSError("No space left on device")

    def full(path, mode="r", *more, **how):
        return Half(path, "w") if mode == "wb" else opened(path, mode, *more, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(OSError, match="No space left"):
            weights.save_weights("a/b", {"w": torch.ones(1)}, {})
    assert saved.read_bytes() == before
    assert sorted(p.name for p in saved.parent.iterdir()) == ["b.json", "b.safetensors"]


# Extensions


EXTENSION = """
from workbench.metrics.base import metric

@metric("brightness", title="Brightness", unit="grey", best="higher", compares="nothing", source="nobody")
def brightness(judged):
    return judged.images.mean((1, 2, 3))
"""

LIST = "from workbench.core.registry import load_extensions; from workbench.metrics.base import METRICS; print('brightness' in METRICS, load_extensions())"


def installed_extension(folder: Path, module: str, text: str) -> None:
    """Put a module and the metadata of a distribution that offers it into `folder`."""
    (folder / f"{module}.py").write_text(text)
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[mi_workbench]\n{module} = {module}\n")


def listed(folder: Path) -> subprocess.CompletedProcess[str]:
    """Ask a process of its own, since a registry is filled once."""
    paths = os.pathsep.join([str(folder), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-c", LIST],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_what_another_distribution_offers_is_registered_and_what_fails_costs_only_itself(tmp_path):
    installed_extension(tmp_path, "a_broken_one", "import nothing_of_that_name")
    installed_extension(tmp_path, "somebodys_metric", EXTENSION)
    found = listed(tmp_path)
    assert found.stdout.strip() == "True ('a_broken_one',)"
    assert "a_broken_one" in found.stderr
    assert "nothing_of_that_name" in found.stderr


def test_nothing_slow_is_loaded_before_it_is_needed():
    """One fresh process does one thing after the other: it takes seconds to start."""
    begun = (
        "import workbench.workers.worker",
        "from workbench.commands import main; main(['list', 'metrics'])",
        "from workbench.priors import PRIORS; PRIORS.load()",
    )
    slow = (
        "torchmetrics",
        "torchvision",
        "scipy",
        "sklearn",
        "skimage",
        "gradio",
        "diffusers",
        "onnxruntime",
        "torch._dynamo",
    )
    look = f"print('loaded:', [name for name in {slow} if name in sys.modules])"
    code = "\n".join(["import sys", *(f"{begin}\n{look}" for begin in begun)])
    asked = [sys.executable, "-W", "error", "-c", code]
    told = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    loaded = [line for line in told.splitlines() if line.startswith("loaded:")]
    assert dict(zip(begun, loaded, strict=True)) == dict.fromkeys(begun, "loaded: []")
