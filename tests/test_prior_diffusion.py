"""The diffusion prior: its arithmetic, its gradients, its files, and the folders of diffusers it is read from."""

from __future__ import annotations

import itertools
import json
import pickle
import shutil

import pytest
import torch
from torch import nn

from workbench.commands import main
from workbench.core.errors import DataMissing, Incompatible, UsageError, WeightsCorrupt
from workbench.core.weights import read_card
from workbench.priors.base import Luminance, Setting, load_prior, luminance, prior_problem
from workbench.priors.diffusion import CLEAN, Diffusion
from workbench.priors.pipelines import WEIGHTS, find_pipeline, import_pipeline, read_pipeline, write_pipeline
from workbench.priors.training import loop
from workbench.priors.training.denoising import SCHEDULER, SIZES, Denoising, DenoisingRecipe, UNetSize, unet_of
from workbench.priors.training.loop import publish, train

SHAPE = (1, 16, 16)
EPSILON = dict(
    num_train_timesteps=1000,
    beta_start=1e-4,
    beta_end=0.02,
    beta_schedule="linear",
    prediction_type="epsilon",
    clip_sample=False,
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tiny(shape=SHAPE, schedule=SCHEDULER, patch=2, steps=4, seed=0) -> Diffusion:
    torch.manual_seed(seed)
    network = {
        **unet_of(shape, UNetSize(patch, (16, 16), (False, False))),
        "norm_num_groups": 8,
        "attention_head_dim": 8,
    }
    return Diffusion(shape, network, schedule, patch, steps).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def model():
    return tiny()


def knows(model: Diffusion, clean: torch.Tensor) -> None:
    """Make the network right about everything: each image is `clean` under some noise."""

    class Knowing(nn.Module):
        def forward(self, patched, t):
            x = nn.functional.pixel_shuffle(patched, model.patch)
            alpha = model.alpha(t)
            noise = (x - alpha.sqrt() * clean) / (1 - alpha).sqrt()
            out = {
                "epsilon": noise,
                "sample": clean.expand_as(x),
                "v_prediction": alpha.sqrt() * noise - (1 - alpha).sqrt() * clean,
            }[model.kind]
            return type("Said", (), {"sample": nn.functional.pixel_unshuffle(out, model.patch)})

    model.unet = Knowing()


# The arithmetic


def test_alphas_are_those_of_the_linear_schedule():
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    found = tiny(schedule=EPSILON).levels
    assert found[CLEAN + 1] == 1
    assert torch.allclose(found[1:].double(), (1 - betas).cumprod(0), rtol=1e-4)


@pytest.mark.parametrize("steps", [1, 4, 7, 15, 30, 1000])
def test_the_schedule_is_the_trailing_one(model, steps):
    from diffusers import DDIMScheduler

    golden = DDIMScheduler(num_train_timesteps=1000, timestep_spacing="trailing")
    golden.set_timesteps(steps)
    assert model.schedule(steps) == golden.timesteps.tolist()
    walk = model.walk(steps)
    assert walk[0][0] == 999 and walk[-1][1] == CLEAN
    assert all(after == t for (_, after), (t, _) in itertools.pairwise(walk))


def test_a_walk_may_begin_further_on(model):
    assert model.walk(4, start=499) == [(499, 249), (249, CLEAN)]
    assert model.walk(4, start=600) == model.walk(4, start=499)


def test_one_ddim_step_by_hand():
    prior, x, eps = tiny(schedule=EPSILON), torch.full((1, *SHAPE), 0.7), 0.3
    prior.output = lambda x, t: torch.full_like(x, eps)
    a, b = prior.levels[501].item(), prior.levels[251].item()
    clean = (0.7 - (1 - a) ** 0.5 * eps) / a**0.5
    assert prior.step(x, 500, 250).flatten()[0].item() == pytest.approx(b**0.5 * clean + (1 - b) ** 0.5 * eps, rel=1e-5)


@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("clips", [False, True])
def test_steps_agree_with_diffusers(kind, clips):
    from diffusers import DDIMScheduler

    plan = {**EPSILON, "prediction_type": kind, "clip_sample": clips}
    prior = tiny(schedule=plan, steps=10)
    golden = DDIMScheduler(**plan, timestep_spacing="trailing")
    golden.set_timesteps(10)
    x = torch.randn(2, *SHAPE, generator=rng())
    with torch.no_grad():
        for t, after in prior.walk():
            wanted = golden.step(prior.output(x, t), t, x).prev_sample
            x = prior.step(x, t, after)
            assert torch.allclose(x, wanted, atol=2e-4, rtol=1e-4), t


@pytest.mark.parametrize(
    "schedule", [SCHEDULER, EPSILON, {**SCHEDULER, "prediction_type": "sample"}], ids=lambda s: s["prediction_type"]
)
def test_a_network_that_knows_is_followed(schedule):
    prior, clean = tiny(schedule=schedule), 0.9 * torch.rand(1, *SHAPE, generator=rng()) - 0.3
    knows(prior, clean)
    noise = torch.randn(3, *SHAPE, generator=rng(1))
    for t in (10, 500, 900):
        found = prior.predict(prior.noised(clean, noise, t), t)
        assert torch.allclose(found.clean, clean.expand_as(noise), atol=1e-3)
        assert torch.allclose(found.noise, noise, atol=1e-3)
    images = prior.decode(noise.flatten(1))
    assert torch.allclose(images, prior.picture(clean).expand_as(images), atol=5e-3)


def test_a_step_for_each_row_is_the_same_as_row_by_row(model):
    x, t = torch.randn(3, *SHAPE, generator=rng()), torch.tensor([5, 500, 990])
    together = model.predict(x, t)
    for k in range(3):
        alone = model.predict(x[k : k + 1], int(t[k]))
        assert torch.allclose(together.clean[k], alone.clean[0], atol=1e-4)
        assert torch.allclose(together.noise[k], alone.noise[0], atol=1e-4)


def test_noise_that_is_left_alone_gives_the_same_clean_image(model):
    x = torch.randn(2, *SHAPE, generator=rng())
    clean, noise = model.predict(x, 300)
    assert torch.allclose(model.clean_of(x, noise, 300), clean, atol=1e-4)


# What an attack leans on


def test_a_latent_draws_one_image(model):
    z = model.sample(3, rng())
    before = torch.get_rng_state()
    images = model.decode(z)
    assert images.shape == (3, *SHAPE) and images.min() >= 0 and images.max() <= 1
    assert torch.equal(images, model.decode(z)) and torch.equal(torch.get_rng_state(), before)
    assert torch.allclose(model.decode(z[1:2]), images[1:2], atol=1e-5)


def test_gradients_through_the_walk_are_those_of_finite_differences():
    prior = tiny(steps=2).double()
    prior.levels = prior.levels.double()
    prior.limit = None
    network = prior.unet
    prior.output = lambda x, t: nn.functional.pixel_shuffle(network(nn.functional.pixel_unshuffle(x, 2), t).sample, 2)
    z = (0.1 * prior.sample(1, rng())).double().requires_grad_()
    weights = torch.randn(1, *SHAPE, generator=rng(1)).double()

    def score(z):
        return (prior.decode(z) * weights).sum()

    (slope,) = torch.autograd.grad(score(z), z)
    way = torch.randn(z.shape, generator=rng(2)).double()
    with torch.no_grad():
        rise = (score(z + 1e-5 * way) - score(z - 1e-5 * way)) / 2e-5
    assert rise.item() == pytest.approx((slope * way).sum().item(), rel=1e-3, abs=1e-6)


def test_guidance_reaches_what_it_asks_for(model):
    """The loop in the module's docstring, asked for bright images."""
    z = model.sample(2, rng())
    x = model.canvas(z)
    for t, after in model.walk():
        x = x.detach().requires_grad_(True)
        clean, noise = model.predict(x, t)
        (slope,) = torch.autograd.grad(-model.picture(clean).sum(), x)
        noise = noise.detach() + 2.0 * (1 - model.alpha(t)).sqrt() * slope
        x = model.noised(model.clean_of(x, noise, t), noise, after)
    assert (model.picture(x).mean((1, 2, 3)) > model.decode(z).mean((1, 2, 3)) + 0.02).all()


def test_in_grey_the_walk_stays_in_colour_and_gradients_pass():
    inner = tiny((3, 16, 16))
    prior = Luminance(inner)
    z = prior.sample(2, rng())
    x = prior.canvas(z).requires_grad_()
    clean, _ = prior.predict(x, 700)
    grey = prior.picture(clean)
    assert x.shape == (2, 3, 16, 16) and grey.shape == (2, 1, 16, 16)
    assert torch.allclose(grey, luminance(inner.picture(clean)))
    (slope,) = torch.autograd.grad(grey.sum(), x)
    assert (slope.abs().sum((2, 3)) > 0).all()
    assert torch.equal(prior.decode(z), luminance(inner.decode(z))) and prior.walk() == inner.walk()


# Training


def toy(n: int = 64) -> torch.Tensor:
    """Return images of one bright square at one of four places."""
    images = torch.full((n, *SHAPE), 0.1)
    for k in range(n):
        row, column = divmod(k % 4, 2)
        images[k, :, 8 * row + 2 : 8 * row + 6, 8 * column + 2 : 8 * column + 6] = 0.9
    return images


def trainer(steps: int, **changed) -> Denoising:
    setting = Setting("digits", toy(), False, torch.device("cpu"))
    return Denoising(tiny().requires_grad_(True), setting, DenoisingRecipe(steps, 16, lr=3e-3, warm=10), changed)


def take(trainer: Denoising, steps: int) -> list[float]:
    found, draws = [], rng()
    for step in range(steps):
        torch.manual_seed(step)
        found.append(trainer.step(step, draws)["denoising"].item())
    return found


def test_training_lowers_its_loss_and_leaves_a_prior_that_draws():
    coach = trainer(120)
    losses = take(coach, 120)
    assert sum(losses[-20:]) < 0.5 * sum(losses[:20])
    model = coach.prior()
    assert not model.training
    with torch.no_grad():
        images = model.decode(model.sample(16, rng()))
    # Nearer to the squares than a grey image is, by far.
    nearest = (images[:, None] - toy(4)[None]).pow(2).mean((2, 3, 4)).min(1).values
    grey = (toy().mean(0) - toy(4)).pow(2).mean((1, 2, 3)).min()
    assert nearest.mean() < 0.6 * grey


def test_steps_are_spread_over_the_whole_schedule():
    t = trainer(10)._steps(rng())
    assert t.min() < 63 and t.max() > 936 and len(t.unique()) == 16


def test_the_pace_rises_and_falls():
    coach = trainer(200)
    assert coach._pace(0) == pytest.approx(0.1) and coach._pace(50) == 1 and coach._pace(199) == pytest.approx(0.01)


def test_a_training_cut_short_is_resumed_as_if_it_had_not_been(models, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "EVERY", 4)
    setting = Setting("digits", toy(), False, torch.device("cpu"))
    for _ in train("diffusion", trainer(11), setting, source="toy", name="toy/whole"):
        pass
    checkpoint = tmp_path / "toy.pt"
    begun = train("diffusion", trainer(11), setting, source="toy", name="toy/parts", checkpoint=checkpoint)
    while next(begun).step < 5:
        pass
    begun.close()
    for _ in train("diffusion", trainer(11), setting, source="toy", name="toy/parts", checkpoint=checkpoint):
        pass
    assert read_card("toy/whole")["sha256"] == read_card("toy/parts")["sha256"]
    assert not checkpoint.exists()


@pytest.mark.parametrize("quality", ["quick", "full"])
@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 64, 64)])
def test_recipes_fit_their_images_and_their_file(shape, quality):
    with torch.device("meta"):  # shapes alone
        size = SIZES[quality][shape[-1] >= 64]
        model = Diffusion(shape, unet_of(shape, size), SCHEDULER, size.patch)
        assert model.output(torch.empty(1, *shape), torch.zeros(1, dtype=torch.int64)).shape == (1, *shape)
    assert 2 * sum(p.numel() for p in model.parameters()) < 19 * 2**20, "in half precision a file may have 20 MB"


# Files


def save(model: Diffusion, scenario: str) -> None:
    setting = Setting(scenario, torch.empty(0, *model.shape), False, torch.device("cpu"))
    publish(
        "diffusion", model, setting, f"{scenario}/prior-diffusion", {"data": "none", "recipe": {}, "quality": "quick"}
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A public pipeline on images of the digits scenario: no patches, predicts noise."""
    where = tmp_path_factory.mktemp("written")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_MODELS", str(where / "models"))
        prior = tiny((1, 32, 32), EPSILON, patch=1)
        save(prior, "digits")
        write_pipeline(prior, "digits", where / "pipeline")
    return where / "pipeline"


@pytest.fixture
def folder(written, models, tmp_path):
    """Return a copy of that pipeline, to be spoilt."""
    return shutil.copytree(written, tmp_path / "pipeline")


def test_saved_and_loaded_it_draws_the_same(models):
    prior = tiny((1, 32, 32))
    save(prior, "digits")
    assert prior_problem("digits", "diffusion") is None
    found, z = load_prior("digits", "diffusion"), prior.sample(2, rng())
    assert torch.allclose(found.decode(z), prior.decode(z), atol=0.02)  # half precision
    assert found.plane.basis.shape == (1024, 3) and found.plane.cloud.shape == (400, 3)
    assert torch.allclose(found.plane.basis.T @ found.plane.basis, torch.eye(3), atol=1e-2)
    assert found.plane.project(z).shape == (2, 3)


def test_a_folder_is_written_as_diffusers_reads_it(folder, models):
    from diffusers import DDIMScheduler, UNet2DModel

    unet = UNet2DModel.from_pretrained(folder, subfolder="unet", low_cpu_mem_usage=False)
    plan = DDIMScheduler.from_pretrained(folder, subfolder="scheduler")
    assert unet.config.sample_size == 32 and plan.config.prediction_type == "epsilon"
    assert json.loads((folder / "model_index.json").read_text())["unet"] == ["diffusers", "UNet2DModel"]
    assert json.loads((folder / "card.json").read_text())["what"] == "diffusion prior of digits"


@pytest.mark.parametrize("flat", [False, True], ids=["folders", "flat"])
def test_a_pipeline_becomes_the_scenarios_prior(folder, models, flat):
    if flat:
        for path in [*(folder / "unet").iterdir(), *(folder / "scheduler").iterdir()]:
            path.rename(folder / path.name)
        (folder / "unet").rmdir()
        (folder / "scheduler").rmdir()
    import_pipeline("digits", (1, 32, 32), folder, "a test", steps=4)
    card, found = read_card("digits/prior-diffusion"), load_prior("digits", "diffusion")
    assert card["quality"] == "imported" and card["data"] == "a test" and card["finished"]
    x, wanted = torch.randn(2, 1, 32, 32, generator=rng()), tiny((1, 32, 32), EPSILON, patch=1)
    assert torch.allclose(found.output(x, 500), wanted.output(x, 500), atol=0.02)  # half precision
    assert found.walk() == wanted.walk() and torch.equal(found.levels, wanted.levels)


def test_weights_in_half_precision_or_those_of_the_average_are_found(folder):
    unet = folder / "unet"
    before = read_pipeline(folder, (1, 32, 32)).unet.state_dict()
    (unet / "diffusion_pytorch_model.safetensors").rename(unet / "diffusion_pytorch_model.fp16.safetensors")
    unet.rename(folder / "unet_ema")
    after = read_pipeline(folder, (1, 32, 32)).unet.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_patches_are_recognised(models, tmp_path):
    prior = tiny((3, 16, 16), patch=2)
    save(prior, "lfw")
    write_pipeline(prior, "lfw", tmp_path / "patched")
    assert read_pipeline(tmp_path / "patched", (3, 16, 16)).patch == 2


def edit(path, **changed):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def pickled(folder):
    (folder / "unet" / WEIGHTS).unlink()
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps("anything"))


BROKEN = {
    "pickled": (pickled, Incompatible, "pickle"),
    "no weights": (lambda f: (f / "unet" / WEIGHTS).unlink(), DataMissing, WEIGHTS),
    "no network": (lambda f: (f / "unet" / "config.json").unlink(), DataMissing, "config.json"),
    "no schedule": (lambda f: shutil.rmtree(f / "scheduler"), DataMissing, "scheduler_config.json"),
    "empty": (lambda f: [shutil.rmtree(f / n) for n in ("unet", "scheduler")], DataMissing, "config.json"),
    "channels": (lambda f: edit(f / "unet" / "config.json", in_channels=3, out_channels=3), Incompatible, "3 channels"),
    "size": (lambda f: edit(f / "unet" / "config.json", sample_size=256), Incompatible, "256 pixels"),
    "variances": (lambda f: edit(f / "unet" / "config.json", out_channels=2), Incompatible, "variances"),
    "conditional": (lambda f: edit(f / "unet" / "config.json", num_class_embeds=10), Incompatible, "class"),
    "another network": (
        lambda f: edit(f / "unet" / "config.json", _class_name="UNet2DConditionModel"),
        Incompatible,
        "UNet2DConditionModel",
    ),
    "another schedule": (
        lambda f: edit(f / "scheduler" / "scheduler_config.json", _class_name="ScoreSdeVeScheduler"),
        Incompatible,
        "ScoreSdeVeScheduler",
    ),
    "another prediction": (
        lambda f: edit(f / "scheduler" / "scheduler_config.json", prediction_type="flow"),
        Incompatible,
        "flow",
    ),
    "betas unknown": (
        lambda f: edit(f / "scheduler" / "scheduler_config.json", beta_schedule="sigmoid"),
        Incompatible,
        "DDIM",
    ),
    "wider": (lambda f: edit(f / "unet" / "config.json", block_out_channels=[32, 32]), WeightsCorrupt, "unet"),
    "fewer layers": (lambda f: edit(f / "unet" / "config.json", layers_per_block=2), WeightsCorrupt, "fit"),
    "not json": (lambda f: (f / "unet" / "config.json").write_text("{"), WeightsCorrupt, "config.json"),
    "a list": (lambda f: (f / "unet" / "config.json").write_text("[]"), WeightsCorrupt, "config.json"),
    "truncated": (
        lambda f: (f / "unet" / WEIGHTS).write_bytes((f / "unet" / WEIGHTS).read_bytes()[:5000]),
        WeightsCorrupt,
        "unet",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_does_not_fit_is_refused_in_a_sentence_and_nothing_is_left(folder, models, case):
    spoil, kind, said = BROKEN[case]
    spoil(folder)
    with pytest.raises(kind) as caught:
        import_pipeline("digits", (1, 32, 32), folder, "a test")
    assert said in str(caught.value) and str(caught.value).endswith(".")
    assert not [*models.rglob("prior-diffusion*")]


def test_a_pipeline_of_the_hub_is_not_fetched_unasked(monkeypatch, tmp_path):
    import huggingface_hub

    asked = []

    def snapshot(name, **how):
        asked.append(how["local_files_only"])
        raise OSError("not here")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    with pytest.raises(DataMissing, match="--online"):
        find_pipeline("someone/faces")
    with pytest.raises(DataMissing, match="connection"):
        find_pipeline("someone/faces", online=True)
    assert asked == [True, False]
    for name in (str(tmp_path / "nowhere"), "./nowhere/at/all", "nowhere", "../secret"):
        with pytest.raises(DataMissing, match="no folder"):
            find_pipeline(name)
    assert len(asked) == 2 and find_pipeline(str(tmp_path)) == tmp_path


def test_from_the_command_line(folder, models, tmp_path, capsys):
    line = [
        "import",
        "prior",
        "--scenario",
        "digits",
        "--prior",
        "diffusion",
        "--from",
        str(folder),
        "--steps",
        "3",
        "--device",
        "cpu",
    ]
    assert main(line) == 0
    assert load_prior("digits", "diffusion").steps == 3
    assert main(line) == 2 and "--replace" in capsys.readouterr().err
    assert main([*line, "--replace", "--source", "nobody"]) == 0
    assert read_card("digits/prior-diffusion")["data"] == "nobody"
    goal = tmp_path / "out"
    assert main(["export", "prior", "--scenario", "digits", "--to", str(goal)]) == 0
    assert read_pipeline(goal, (1, 32, 32)).latent_dim == 1024
    with pytest.raises(UsageError, match="already"):
        write_pipeline(load_prior("digits", "diffusion"), "digits", goal)
    assert main(["export", "prior", "--scenario", "lfw", "--to", str(tmp_path / "none")]) == 2
    assert not (tmp_path / "none").exists()
