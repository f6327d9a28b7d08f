"""No private image is among the public ones, and a training that is given one does not begin."""

from __future__ import annotations

import io

import pytest
import torch
from PIL import Image
from torchvision.transforms.functional import to_pil_image, to_tensor

from workbench.core.errors import DataMissing
from workbench.core.paths import models_dir
from workbench.core.weights import read_card
from workbench.scenarios import SCENARIOS
from workbench.scenarios.leaks import leaks
from workbench.trainings.start import train_prior

KEYS = [entry.key for entry in SCENARIOS]


def private_of(key: str) -> torch.Tensor:
    place = SCENARIOS[key]()
    if problem := place.problem():
        pytest.skip(problem)
    return place.private.all.images[:200]


def compressed(image: torch.Tensor) -> torch.Tensor:
    """Return an image (C, H, W) as a JPEG of poor quality keeps it."""
    file = io.BytesIO()
    to_pil_image(image).save(file, "JPEG", quality=50)
    return to_tensor(Image.open(file))


# What is still the same photograph (C, H, W).
DISGUISES = {
    "copied": lambda x: x,
    "mirrored": lambda x: x.flip(2),
    "moved": lambda x: x.roll((2, -2), (1, 2)),
    "brighter": lambda x: (x * 1.2).clamp(0, 1),
    "paler": lambda x: x * 0.6 + 0.2,
    "compressed": compressed,
}


@pytest.mark.parametrize(
    "card", sorted(models_dir().glob("*/prior-*.json")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_the_cards_of_shipped_priors_tell_of_the_check(card):
    told = read_card(f"{card.parent.name}/{card.stem}")["leak_check"]
    assert told["closest"] < told["copy_from"]


@pytest.mark.parametrize("how", DISGUISES)
@pytest.mark.parametrize("key", KEYS)
def test_a_disguised_private_image_is_found(key, how):
    private = private_of(key)
    strangers = torch.rand(50, *private.shape[1:], generator=torch.Generator().manual_seed(0))
    found = leaks(private, torch.cat([strangers, DISGUISES[how](private[150])[None]]))
    assert (150, 50) in [(pair.private, pair.public) for pair in found]


def test_a_prior_is_not_trained_on_a_private_image(tmp_path):
    place = SCENARIOS["faces"]()
    image = (place.private.heldout.images[5, 0] * 255).byte().numpy()
    rng = torch.Generator().manual_seed(0)
    for i in range(70):
        Image.fromarray((torch.rand(64, 64, generator=rng) * 255).byte().numpy()).save(
            tmp_path / f"stranger{i:02d}.png"
        )
    Image.fromarray(image).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "smuggled.png")
    with pytest.raises(DataMissing, match=r"1 private image.* faces .*smuggled\.png shows"):
        next(train_prior("faces", "gan", data=tmp_path))


def test_blank_images_are_nobodys_copy():
    assert not leaks(torch.zeros(2, 1, 32, 32), torch.ones(3, 1, 32, 32))
