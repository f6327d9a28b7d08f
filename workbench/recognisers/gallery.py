"""Face recognisers that compare: whose photographs is a picture closest to, and is it close enough to be that person?"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.core.errors import DataMissing
from workbench.core.folding import fold
from workbench.core.weights import has_weights, load_weights, read_card, save_weights
from workbench.recognisers.base import Card
from workbench.recognisers.detail import blur_steps, least_detail
from workbench.scenarios import Labelled, Scenario

BATCH = 16  # images at once: what is between two layers then still fits into the caches of a CPU
# Share of false pairs that pass when the threshold is set; on photographs that it was not set on a little more do, and the
# promise is that fewer than 1 % of other people's photographs pass for a person.
FALSE_MATCHES = 0.007


@dataclass(frozen=True, eq=False)
class FaceNetwork:
    """A network that puts faces of one person close together.

    Attributes:
        module: RGB faces (n, 3, side, side) in [0, 1] to embeddings (n, F), in eval mode, frozen.
        side: of the faces that it takes, in pixels.
        border: share of an image's side by which the image is continued at its edges; networks that were trained on
            wider cuts know more faces so.

    Batch norms of the module become part of the layers before them, and weights lie as a CPU likes them: the same function in
    half the time.
    """

    module: nn.Module
    side: int
    border: float = 0.0

    def __post_init__(self) -> None:
        fold(self.module.eval().requires_grad_(False)).to(memory_format=torch.channels_last)

    @torch.no_grad()
    def embed(self, images: Tensor) -> Tensor:
        """Return embeddings (N, F) of length 1, on the CPU, averaged with the mirror image's, of images (N, C, H, W) in [0, 1]."""
        device = next(self.module.parameters()).device
        edge = round(self.border * images.shape[-1])
        found = []
        for batch in images.split(BATCH):
            faces = F.pad(batch.to(device).expand(-1, 3, -1, -1), (edge,) * 4, mode="replicate")
            faces = F.interpolate(faces, (self.side, self.side), mode="bilinear", align_corners=False)
            faces = faces.contiguous(memory_format=torch.channels_last)
            both = F.normalize(self.module(faces)) + F.normalize(self.module(faces.flip(3)))
            found.append(F.normalize(both).cpu())
        return torch.cat(found)


@dataclass(frozen=True, eq=False)
class FaceGallery:
    """A network of faces that judges by likeness to each person's photographs.

    Attributes:
        centre: (F,) the mean embedding of the gallery, taken from every embedding: what all these photographs share, such
            as the studio, tells nobody from anybody.
        people: (K, F) the mean embedding of each person's photographs, centred, of length 1.
        strangers: (M, F) embeddings, centred, of length 1, of people who are not private and of pictures that show nobody.
        threshold: the least cosine at which it names a person.
        least_detail: with less in a picture it recognises real photographs half as often, or less.
        heldout: (n, K) its scores of the scenario's held-out photographs; None where they were not kept.
        on_photographs: share of those that it names rightly, 0 to 1; None where that was not kept.
    """

    key: str
    title: str
    card: Card
    network: FaceNetwork
    centre: Tensor
    people: Tensor
    strangers: Tensor
    threshold: float
    least_detail: float = 0.0
    heldout: Tensor | None = None
    on_photographs: float | None = None

    def features(self, images: Tensor) -> Tensor:
        """Return centred embeddings (N, F) of length 1, on the CPU, of images (N, C, H, W) in [0, 1]."""
        return F.normalize(self.network.embed(images) - self.centre)

    def scores(self, images: Tensor) -> Tensor:
        """Return the cosine (N, K) with each person's photographs of images (N, C, H, W) in [0, 1].

        Who is less like a person than like a stranger stays below the threshold, by as much.
        """
        features = self.features(images)
        cosines = features @ self.people.T
        nearest = (features @ self.strangers.T).amax(1, keepdim=True)
        return torch.minimum(cosines, cosines - nearest + self.threshold)


def gallery_name(scenario: str, key: str) -> str:
    """Return where a recogniser's gallery of a scenario is kept."""
    return f"{scenario}/gallery-{key}"


def nobodies(shape: tuple[int, int, int], each: int = 8) -> Tensor:
    """Return pictures (7·each, 1, H, W) in [0, 1] that show nobody: noise, fine to coarse, even greys and stripes."""
    _, height, width = shape
    rng = torch.Generator().manual_seed(7)

    def noise(rows: int, columns: int) -> Tensor:
        coarse = torch.rand(each, 1, rows, columns, generator=rng)
        return F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)

    greys = torch.linspace(0, 1, each)[:, None, None, None].expand(-1, 1, height, width)
    stripes = (torch.rand(each, 1, 1, width, generator=rng) > 0.5).float().expand(-1, -1, height, -1)
    across = (torch.rand(each, 1, height, 1, generator=rng) > 0.5).float().expand(-1, -1, -1, width)
    return torch.cat([noise(height, width), noise(16, 16), noise(8, 8), noise(4, 4), greys, stripes, across])


def strangers_of(key: str, channels: int) -> Tensor:
    """Return embeddings (M, F) of public people's faces by the network `key`, grey or in colour; (0, F) where none are kept."""
    name = f"recognisers/{key}-strangers"
    return load_weights(name)[0]["grey" if channels == 1 else "colour"] if has_weights(name) else torch.empty(0, 0)


def open_gallery(scenario: Scenario, network: FaceNetwork, key: str, title: str, card: Card) -> FaceGallery | None:
    """Return a recogniser of the scenario's private people; None where neither their photographs nor a gallery are here.

    A gallery that was kept is taken if it is of this network and of these very photographs, or if there are none; else it is
    made anew, which takes seconds.
    """
    name = gallery_name(scenario.key, key)
    kept = read_card(name) if has_weights(name) else {}
    try:
        private = scenario.private
    except DataMissing:
        private = None
    of_them = private is None or kept.get("photographs") == fingerprint(private.train)
    if kept.get("network") == card.weights and of_them:
        tensors = load_weights(name)[0]
        same = private is not None and kept.get("heldout_photographs") == fingerprint(private.heldout)
        return FaceGallery(
            key=key,
            title=title,
            card=card,
            network=network,
            centre=tensors["centre"],
            people=tensors["people"],
            strangers=tensors["strangers"],
            threshold=kept["threshold"],
            least_detail=kept.get("least_detail", 0.0),
            heldout=tensors.get("heldout") if same else None,
            on_photographs=kept.get("heldout", {}).get("recognised"),
        )
    if private is None:
        return None  # nothing was kept, or another network's
    known = private.train
    embeddings = network.embed(known.images)
    centre = embeddings.mean(0)
    centred = F.normalize(embeddings - centre)
    people = means_of(centred, known, scenario.num_classes)
    threshold = threshold_at(FALSE_MATCHES, centred @ people.T, known.labels)
    nobody, public = network.embed(nobodies(scenario.input_shape)), strangers_of(key, scenario.input_shape[0])
    strangers = F.normalize(torch.cat([nobody, public]) - centre) if len(public) else F.normalize(nobody - centre)
    return FaceGallery(key, title, card, network, centre, people, strangers, threshold)


def fingerprint(photographs: Labelled) -> str:
    """Return what tells these photographs, with who is on them, from any others."""
    pixels = (photographs.images * 255).round().to(torch.uint8)
    return hashlib.sha256(pixels.numpy().tobytes() + photographs.labels.numpy().tobytes()).hexdigest()


@dataclass(frozen=True)
class GalleryCalibration:
    """How a gallery does on photographs that it was not made of.

    Attributes:
        n, people: photographs and people they show.
        identified: share of the photographs whose person is the nearest of all, 0 to 1.
        recognised: share that is named, as the right person: nearest, and near enough.
        false_matches: share of pairs of a photograph and another person that are near enough.
    """

    n: int
    people: int
    identified: float
    recognised: float
    false_matches: float


def calibration_of(gallery: FaceGallery, photographs: Labelled, scores: Tensor | None = None) -> GalleryCalibration:
    """Return how `gallery` does on held-out photographs of its people.

    Args:
        scores: (n, K) those that it gives to the photographs; it is asked if None.
    """
    labels = photographs.labels
    scores = gallery.scores(photographs.images) if scores is None else scores
    near = scores >= gallery.threshold
    own = torch.zeros_like(near).scatter_(1, labels[:, None], True)
    right = scores.argmax(1) == labels
    return GalleryCalibration(
        n=len(labels),
        people=len(gallery.people),
        identified=right.float().mean().item(),
        recognised=(right & near.gather(1, labels[:, None])[:, 0]).float().mean().item(),
        false_matches=near[~own].float().mean().item(),
    )


def keep_gallery(gallery: FaceGallery, scenario: Scenario) -> GalleryCalibration:
    """Measure a gallery on the scenario's held-out photographs and keep it, with its scores of them, beside the weights.

    Raises:
        DataMissing: the photographs are not here.
    """
    heldout = scenario.private.heldout
    scores, steps = gallery.scores(heldout.images), blur_steps(gallery, heldout)
    measured = calibration_of(gallery, heldout, scores)
    save_weights(
        gallery_name(scenario.key, gallery.key),
        {"centre": gallery.centre, "people": gallery.people, "strangers": gallery.strangers, "heldout": scores},
        {
            "what": f"Gallery of the {gallery.title} for {scenario.key}: the mean embedding of each private person",
            "scenario": scenario.key,
            "data": scenario.private_source,
            "network": gallery.card.weights,
            "photographs": fingerprint(scenario.private.train),
            "heldout_photographs": fingerprint(heldout),
            "threshold": gallery.threshold,
            "least_detail": round(least_detail(steps), 4),
            "blur": [step.to_json() for step in steps],
            "heldout": {k: round(v, 4) for k, v in asdict(measured).items()},
            "quality": "full",
        },
    )
    return measured


def means_of(features: Tensor, of: Labelled, classes: int) -> Tensor:
    """Return the mean feature (K, F) of each class, of length 1, of features (N, F)."""
    return F.normalize(torch.stack([features[of.labels == c].mean(0) for c in range(classes)]))


def threshold_at(share: float, cosines: Tensor, labels: Tensor) -> float:
    """Return the cosine that `share` of the false pairs reach.

    Args:
        cosines: (N, K) of photographs with people.
        labels: (N,) who each photograph shows.
    """
    others = torch.ones_like(cosines, dtype=torch.bool).scatter_(1, labels[:, None], False)
    return cosines[others].quantile(1 - share).item()
