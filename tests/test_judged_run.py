"""What the Judge tab reads of a run's folder, and which private photographs its pictures are nearest to."""

from __future__ import annotations

import torch
from study_cases import PEOPLE, SIDE, Tiny, a_run
from torch import Tensor

from workbench.analysis.judged_run import judged_run, measures_of
from workbench.analysis.nearest_private import PIXELS, PrivateSearch
from workbench.recognisers import Card, Panel
from workbench.runs.run_folder import RunFolder
from workbench.runs.store import RunStore


def shown(store: RunStore) -> RunFolder:
    """Return a run of three digits, of which a frame was recorded."""
    folder = store.folder(a_run(store, "1125-one", scenario="digits", classes=(0, 1, 1)))
    candidates = [{"class": c, "restart": 0, "label": f"digit {c}"} for c in (0, 1, 1)]
    folder.write_json("scene.json", {"candidates": candidates, "sheet": {"columns": 3, "rows": 1, "tile": [8, 8]}})
    (folder.path / "frames" / "latest").write_text("7")
    folder.append("confidence.csv", "7,10,20,")
    return folder


def test_each_picture_has_every_judges_word(tmp_path):
    found = judged_run(shown(RunStore(tmp_path)))
    assert [one["judges"][0]["names"] for one in found["candidates"]] == [None, "one", None]
    assert [one["judges"][0]["right"] for one in found["candidates"]] == [False, True, False]
    assert found["candidates"][2]["judges"][0]["score"] == 0.4 and found["judges"][0]["threshold"] == 0.4
    assert found["frame"] == 7 and found["confidence"] == "7,10,20,\n"


def test_classes_have_the_mean_of_every_measure(tmp_path):
    found = judged_run(shown(RunStore(tmp_path)))
    assert [one["class"] for one in found["classes"]] == [0, 1]
    assert found["classes"][1]["values"]["judge face"] == 0.5
    assert abs(found["classes"][1]["values"]["ssim"] - 0.15) < 1e-9
    assert [one["key"] for one in found["measures"]] == ["judge face", "ssim"]


def test_judges_that_may_say_nobody_come_before_those_that_have_to_choose():
    panel = [{"key": key, "title": key, "threshold": least} for key, least in (("evaluator", None), ("face", 0.4))]
    assert [one["key"] for one in measures_of(panel, {})] == ["judge face", "judge evaluator"]


def test_what_was_not_judged_yet_is_shown_without_words(tmp_path):
    folder = shown(RunStore(tmp_path))
    (folder.path / "judgement.json").unlink()
    found = judged_run(folder)
    assert found["judges"] == [] and found["measures"] == [] and len(found["candidates"]) == 3
    (folder.path / "scene.json").unlink()
    assert judged_run(folder) is None


def test_a_judge_that_cannot_tell_or_names_somebody_public_is_told(tmp_path):
    folder = shown(RunStore(tmp_path))
    judged = folder.judgement()
    judged["panel"][0] |= {"answer": ["cannot tell", "recognised", "other"], "others": [None, None, "seven"]}
    folder.write_json("judgement.json", judged)
    words = [one["judges"][0] for one in judged_run(folder)["candidates"]]
    assert [one["unclear"] for one in words] == [True, False, False] and words[2]["names"] == "seven"


class Inverse:
    """A judge whose features are the negative: nearest by it is nearest by pixels, at its own distance."""

    key, title, threshold, card = "inverse", "Inverse", None, Card("nothing")

    def features(self, images: Tensor) -> Tensor:
        return 2 - 2 * images.flatten(1)


def test_the_nearest_photograph_is_that_of_a_search_one_by_one():
    search = PrivateSearch(Tiny(), Panel((Inverse(),)))
    known = search.known
    images = torch.rand(5, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    images[3] = known.images[11]
    pixels, judge = search.nearest(images, {"inverse", "other"})
    for i, image in enumerate(images):
        apart = [((image - other) ** 2).mean().sqrt().item() for other in known.images]
        assert pixels.index[i] == min(range(len(apart)), key=apart.__getitem__) == judge.index[i]
        assert abs(pixels.distance[i].item() - min(apart)) < 1e-6
    assert pixels.distance[3] == 0 and pixels.labels[3] == known.labels[11] and known.labels.max() == PEOPLE - 1
    assert (pixels.key, judge.key) == (PIXELS, "inverse")
    assert torch.allclose(judge.distance, pixels.distance * 2 * SIDE, atol=1e-5)
    assert [one.key for one in search.nearest(images, ())] == [PIXELS]
