"""Diffusion priors in the folder format of diffusers: read from it, written to it.

A pipeline is ``unet/config.json``, ``unet/diffusion_pytorch_model.safetensors`` and
``scheduler/scheduler_config.json``; some public ones keep the three beside each other. Nothing is
unpickled and nothing is fetched unless asked for.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch

from workbench.core.errors import DataMissing, Incompatible, UsageError, WeightsCorrupt
from workbench.core.weights import read_card
from workbench.priors.base import Setting, weights_name
from workbench.priors.diffusion import Diffusion
from workbench.priors.training.loop import publish

WEIGHTS = "diffusion_pytorch_model.safetensors"
WANTED = [
    "model_index.json",
    *(
        f"{folder}{name}"
        for folder in ("", "unet/", "scheduler/")
        for name in ("config.json", "scheduler_config.json", WEIGHTS)
    ),
]
NETWORKS = ("unet", "unet_ema")  # the second by train_unconditional.py of diffusers, where it is all that was kept
VARIANTS = ("", "fp16")
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
SCHEDULERS = ("DDIMScheduler", "DDPMScheduler", "PNDMScheduler", "DPMSolverMultistepScheduler")
# What a schedule was trained with; how to walk it is the prior's own choice.
TRAINED = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "clip_sample",
    "clip_sample_range",
    "prediction_type",
    "rescale_betas_zero_snr",
    "set_alpha_to_one",
)
PATCHES = (1, 2, 4, 8)


def find_pipeline(name: str, *, online: bool = False) -> Path:
    """Return the folder of a pipeline.

    Args:
        name: a folder, or the id of a pipeline on the Hugging Face hub, such as ``owner/name``.
        online: whether it may be fetched; else only what was fetched before is found.

    Raises:
        DataMissing: there is no such folder, and no such pipeline within reach.
    """
    if (folder := Path(name).expanduser()).is_dir():
        return folder
    if folder.is_absolute() or name.count("/") != 1 or name.startswith("."):
        raise DataMissing(
            f"There is no folder {name}. Name a folder of diffusers, or a pipeline of the hub as owner/name."
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=WANTED, local_files_only=not online))
    except Exception as error:  # the hub's client has an exception for every mishap of a network
        remedy = (
            "Check the name and the connection." if online else "Add --online to fetch it from the Hugging Face hub."
        )
        raise DataMissing(f"The pipeline {name} is not on this machine ({_first_line(error)}). {remedy}") from None


def read_pipeline(folder: Path, shape: tuple[int, int, int], steps: int = 15) -> Diffusion:
    """Return the unconditional pipeline in `folder` as a prior of images (C, H, W), in eval mode.

    Raises:
        DataMissing: a file is not there.
        WeightsCorrupt: a file cannot be read, or the weights do not fit their configuration.
        Incompatible: it is another kind of model, draws images of another shape, or is only there pickled.
    """
    from diffusers import UNet2DModel

    inner = next((folder / name for name in NETWORKS if (folder / name).is_dir()), folder)
    config, schedule = _read(inner / "config.json"), _read(_schedule_path(folder))
    if problems := [*_network_problems(config, shape), *_schedule_problems(schedule)]:
        raise Incompatible([f"The pipeline {folder.name} does not fit.", *problems])
    variant = next((v for v in VARIANTS if (inner / _weights_file(v)).is_file()), None)
    if variant is None:
        if pickled := sorted(path.name for pattern in PICKLED for path in inner.glob(pattern)):
            raise Incompatible(
                [
                    f"{inner} has its weights only as a pickle ({pickled[0]}), and reading one can run any "
                    f"program. Save the pipeline anew as {WEIGHTS}."
                ]
            )
        raise DataMissing(f"There is no {WEIGHTS} in {inner}.")
    try:
        network, report = UNet2DModel.from_pretrained(
            inner,
            variant=variant or None,
            use_safetensors=True,
            local_files_only=True,
            low_cpu_mem_usage=False,
            output_loading_info=True,
        )
    except Exception as error:  # diffusers and safetensors raise many kinds
        raise WeightsCorrupt(f"The network in {inner} cannot be read ({_first_line(error)}).") from None
    if lacking := [*report["missing_keys"], *report["unexpected_keys"], *report["mismatched_keys"]]:
        raise WeightsCorrupt(
            f"The weights in {inner} do not fit its config.json: {lacking[0]} and {len(lacking) - 1} "
            "other tensors are missing, too many, or of another shape."
        )
    trained = {name: schedule[name] for name in TRAINED if name in schedule}
    plain = {name: value for name, value in network.config.items() if not name.startswith("_")}
    try:
        model = Diffusion(shape, json.loads(json.dumps(plain)), trained, _patch(config, shape), steps)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise Incompatible([f"The schedule of {folder.name} cannot be walked by DDIM: {_first_line(error)}."]) from None
    model.unet.load_state_dict(network.state_dict())
    return model.float().eval().requires_grad_(False)


def import_pipeline(
    scenario: str,
    shape: tuple[int, int, int],
    folder: Path,
    source: str,
    *,
    steps: int = 15,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> None:
    """Make the pipeline in `folder` the scenario's diffusion prior, with a card.

    Args:
        source: what the pipeline was trained on, for the card.

    Raises:
        As `read_pipeline` does.
    """
    model = read_pipeline(folder, shape, steps).to(device)
    with torch.no_grad():
        trial = model.decode(model.sample(2, torch.Generator().manual_seed(seed)))
    if not torch.isfinite(trial).all():
        raise WeightsCorrupt(f"The pipeline {folder.name} draws images that are not finite. Check its configuration.")
    setting = Setting(scenario, torch.empty(0, *shape), False, torch.device(device), "imported", seed)
    publish(
        "diffusion",
        model,
        setting,
        weights_name(scenario, "diffusion"),
        {
            "data": source,
            "recipe": {},
            "quality": "imported",
            "finished": True,
            "seed": seed,
            "paper": "Ho et al., NeurIPS 2020; Song et al., ICLR 2021",
        },
    )


def write_pipeline(model: Diffusion, scenario: str, folder: Path) -> None:
    """Write a prior as a pipeline of diffusers, whole or not at all, with the card beside it.

    A network that sees patches is one of images of C·p² channels to other programs.

    Raises:
        UsageError: the folder is there already.
    """
    from diffusers import __version__
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    if folder.exists():
        raise UsageError(f"{folder} is there already. Name a folder that is not, or remove it.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        model.unet.save_pretrained(making / "unet")
        DDIMScheduler(**model.settings["scheduler"]).save_pretrained(making / "scheduler")
        index = {
            "_class_name": "DDIMPipeline",
            "_diffusers_version": __version__,
            "scheduler": ["diffusers", "DDIMScheduler"],
            "unet": ["diffusers", "UNet2DModel"],
        }
        (making / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
        (making / "card.json").write_text(json.dumps(read_card(weights_name(scenario, "diffusion")), indent=1) + "\n")
        making.chmod(0o755)  # a temporary folder is its owner's alone
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _weights_file(variant: str) -> str:
    return WEIGHTS.replace(".safetensors", f".{variant}.safetensors") if variant else WEIGHTS


def _schedule_path(folder: Path) -> Path:
    inner = folder / "scheduler"
    names = (inner / "scheduler_config.json", inner / "config.json", folder / "scheduler_config.json")
    return next((path for path in names if path.is_file()), names[0])


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        raise DataMissing(
            f"{path} is not there; a pipeline of diffusers has unet/config.json, unet/{WEIGHTS} and "
            "scheduler/scheduler_config.json."
        ) from None
    except (OSError, ValueError) as error:
        raise WeightsCorrupt(f"{path} cannot be read ({_first_line(error)}).") from None
    if not isinstance(found, dict):
        raise WeightsCorrupt(f"{path} is no configuration.")
    return found


def _network_problems(config: dict[str, Any], shape: tuple[int, int, int]) -> list[str]:
    name = config.get("_class_name", "UNet2DModel")
    if name != "UNet2DModel":
        return [f"Its network is a {name}; only an unconditional UNet2DModel on pixels will do."]
    if config.get("num_class_embeds") or config.get("class_embed_type"):
        return ["Its network must be told a class; only an unconditional one will do."]
    channels, out = config.get("in_channels", 3), config.get("out_channels", 3)
    if channels != out:
        return [f"Its network takes {channels} channels and gives {out}; one that also learns variances will not do."]
    if _patch(config, shape) == 0:
        return [
            f"It draws images of {channels} channels and {config.get('sample_size')} pixels a side; the scenario's "
            f"have {shape[0]} and {shape[1]}."
        ]
    return []


def _patch(config: dict[str, Any], shape: tuple[int, int, int]) -> int:
    """Return p if the network draws such images by patches of p×p pixels, 0 if it does not draw them."""
    channels, size = config.get("in_channels", 3), config.get("sample_size") or shape[1]
    sides = {tuple(size) if isinstance(size, list) else (size, size)}
    return next((p for p in PATCHES if channels == shape[0] * p * p and sides == {(shape[1] // p, shape[2] // p)}), 0)


def _schedule_problems(schedule: dict[str, Any]) -> list[str]:
    name, kind = schedule.get("_class_name", "DDIMScheduler"), schedule.get("prediction_type", "epsilon")
    if name not in SCHEDULERS:
        return [f"Its schedule is a {name}; known are {', '.join(SCHEDULERS)}."]
    if kind not in ("epsilon", "sample", "v_prediction"):
        return [f"Its network predicts '{kind}'; known are epsilon, sample and v_prediction."]
    return []


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0]
