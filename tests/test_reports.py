"""What leaves a run: a page of its own, its record, films; and what changed against the run that it comes from."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from recorded import record

from workbench.__main__ import main
from workbench.core.errors import Failure
from workbench.core.records import Fork
from workbench.engine.presets import default_config
from workbench.reports import film, html
from workbench.reports.bundle import bundled
from workbench.reports.changes import changes_of
from workbench.reports.html import report_html
from workbench.reports.marks import marks_of
from workbench.reports.record import record_of
from workbench.reports.thinning import sheets_within, thinned
from workbench.runs.run_folder import RunFolder
from workbench.runs.store import RunStore

CONFIG = default_config("digits", "mi-face", classes=[0, 3], device="cpu", knobs={"steps": 8})
NASTY = "</script><img src=x onerror=alert(1)><!-- \u2028 & \" '"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return RunStore(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def ran(store: RunStore) -> RunFolder:
    """Return a run with a name that somebody else chose."""
    return record(store, CONFIG, [True, False], name=NASTY)


def data_of(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])


def test_the_page_asks_for_nothing_and_holds_all_that_was_recorded(ran: RunFolder) -> None:
    page = report_html(ran)
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert not re.findall(r"<\w[^>]*\s(?:src|href|action)\s*=", markup)
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)|url\(|fetch\((?!url)", page)
    assert "default-src 'none'" in page and "connect-src" not in page
    held = data_of(page)
    assert [frame["number"] for frame in held["frames"]] == ran.frames()
    assert held["curves"]["step"][-1] == 8 and len(held["confidence"]) == len(ran.frames())
    assert held["status"]["verdict"] == ran.manifest().get("verdict")
    assert "python -m workbench run --scenario digits" in page and "torch" in page and "Attack accuracy" in page


def test_names_that_others_chose_are_text(ran: RunFolder) -> None:
    page = report_html(ran)
    assert "<img" not in page and "<!--" not in page
    assert page.count("</script>") == 2, "the data's and the script's own end"
    assert "&lt;/script&gt;&lt;img" in page


def test_a_long_run_is_thinned_and_the_page_says_so(ran: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert thinned(range(240), 5) == [0, 60, 120, 179, 239] and thinned([4, 7], 5) == [4, 7]
    monkeypatch.setattr(html, "FRAMES", 4)
    page = report_html(ran)
    assert len(data_of(page)["frames"]) == 4 and f"4 of {len(ran.frames())} frames" in page
    one = len(ran.sheet(ran.frames()[-1]))
    few = sheets_within(ran, 100, 3 * one)
    assert 1 <= len(few) < len(ran.frames()) and few[-1][0] == ran.frames()[-1]
    assert [n for n, _ in sheets_within(ran, 100, 1)] == [ran.frames()[-1]], "the last one stays, whatever its size"


def test_what_changed_against_the_run_it_comes_from(store: RunStore, ran: RunFolder) -> None:
    assert changes_of(ran) is None
    again = record(store, replace(CONFIG, seed=4), [True, True], again=ran.id, versions={"torch": "9.9"})
    found = changes_of(again)
    assert found is not None and found["run"] == ran.id and found["settings"] == [["seed", "0", "4"]]
    assert ["torch", ran.manifest()["versions"]["torch"], "9.9"] in found["versions"]
    assert ["recognised", "1 of 2", "2 of 2"] in found["figures"]
    parent = record(store, CONFIG, [True, True])
    gone = record(store, replace(CONFIG, fork=Fork(parent.id, 3)), [True, True])
    store.delete(parent.id)
    assert "not here any more" in changes_of(gone)["problem"] and "forked from" in report_html(gone)
    forged = record(store, CONFIG, [True, True], again="../../etc")
    assert "not here any more" in changes_of(forged)["problem"]


def test_marks_are_those_of_the_judges_who_can_say_no() -> None:
    panel = [
        {"title": "A", "threshold": 0.4, "right": [True, True, False]},
        {"title": "B", "threshold": 0.5, "right": [True, False, False]},
        {"title": "evaluator", "threshold": None, "right": [True, True, True]},
    ]
    marks = marks_of({"panel": panel, "reconstruction": {"per_image": {"acc@1": [1, 1, 0]}}}, 3)
    assert [mark["said"] for mark in marks] == ["yes", "no", "no"]
    assert [mark["evaluator"] for mark in marks] == [True, True, False]
    third = {"title": "C", "threshold": 0.1, "answer": ["recognised", "cannot tell", "cannot tell"]}
    assert [mark["said"] for mark in marks_of({"panel": [panel[0], third]}, 3)] == ["yes", "unclear", "no"]
    assert marks_of(None, 1) == [{"said": "", "judges": [], "evaluator": None}]


def test_the_record_is_one_json_of_everything(ran: RunFolder) -> None:
    told = json.loads(json.dumps(record_of(ran), allow_nan=False))
    assert told["id"] == ran.id and told["run"]["state"] == "finished" and told["curves"]["frame"][0] == 0
    assert told["judgement"] == ran.judgement() and told["marks"][0]["said"] == "yes"


def test_the_command_writes_a_page_a_record_and_a_film(
    store: RunStore, ran: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORKBENCH_RUNS", str(store.root))
    monkeypatch.setattr("workbench.commands.report.can_webm", lambda: False)
    assert main(["report", ran.id, "--out", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert {Path(line).suffix for line in said.out.split()} == {".html", ".json", ".gif"} and "PyAV" in said.err
    with Image.open(tmp_path / f"{ran.id}.gif") as moving:
        assert moving.n_frames > 3
    assert main(["report", str(ran.path), "--out", str(tmp_path / "b"), "--formats", "html"]) == 0
    assert main(["report", "1125-000000-none-abcd", "--out", str(tmp_path)]) == 1


def test_a_run_without_frames_has_a_report_all_the_same(store: RunStore, ran: RunFolder) -> None:
    waits = store.create(CONFIG, shape=(1, 16, 16))
    assert "No frame of this run can be shown" in report_html(waits)


def test_a_film_is_bounded_however_many_pictures_a_page_has(ran: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "LARGEST", 10_000)
    monkeypatch.setattr(film, "PIXELS", 30_000)
    with Image.open(io.BytesIO(film.gif(ran))) as moving:
        assert moving.width * moving.height <= 11_000 and moving.n_frames <= 3


def test_webm_is_refused_in_words_where_no_encoder_is(ran: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "can_webm", lambda: False)
    with pytest.raises(Failure, match="pip install"):
        film.webm(ran)


def test_webm_is_a_film_of_the_same_frames(ran: RunFolder) -> None:
    av = pytest.importorskip("av")
    if not film.can_webm():
        pytest.skip("this PyAV has no encoder for WebM")
    with av.open(io.BytesIO(film.webm(ran))) as found:
        shown = sum(1 for _ in found.decode(video=0))
    assert shown == len(ran.frames()) + film.LAST_MS // film.FRAME_MS


def test_a_module_is_bundled_with_what_it_imports_and_nothing_else_is(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text('import {two as zwei} from "./b/b.js";\nexport const one = zwei - 1;\n')
    (tmp_path / "b").mkdir()
    (tmp_path / "b/b.js").write_text("export function two() {\n  return 2;\n}\n")
    script = bundled("a.js", tmp_path)
    assert "const {two: zwei} = m" in script and "import" not in script and "return {one};" in script
    (tmp_path / "a.js").write_text("export default 1;\n")
    with pytest.raises(ValueError, match=r"a\.js"):
        bundled("a.js", tmp_path)


def test_a_run_on_a_table_is_reported_with_its_posteriors_and_baselines(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("WORKBENCH_RUNS", str(tmp_path / "runs"))
    run = ["run", "--scenario", "fivethirtyeight", "--attack", "csmia", "--set", "sensitive=infidelity"]
    assert main([*run, "--classes", "0-1", "--out", str(tmp_path / "run")]) == 0
    assert main(["report", str(tmp_path / "run"), "--out", str(tmp_path / "out")]) == 0
    written = {path.suffix: path for path in (tmp_path / "out").iterdir()}
    assert set(written) == {".html", ".json"}, "there is no picture to make a film of"
    page, run = written[".html"].read_text(), json.loads((tmp_path / "run" / "run.json").read_text())
    assert "<script" not in page and "script-src 'none'" in page, "nothing is drawn where there are no pictures"
    assert not re.findall(r"<\w[^>]*\s(?:src|href|action)\s*=", page)
    assert f"{run['metrics']['mcc']:.3f}" in page and "Imputation" in page and "not judged" not in page
    folder = RunFolder(tmp_path / "run")
    scene, shares = folder.scene(), folder.tensors(folder.frames()[-1])["shares"]
    for watched, posterior in zip(scene["candidates"], shares, strict=True):
        assert f"in truth {scene['values'][watched['truth']]}" in page
        assert all(f"{100 * share:.0f}\N{NO-BREAK SPACE}%" in page for share in posterior.tolist())
