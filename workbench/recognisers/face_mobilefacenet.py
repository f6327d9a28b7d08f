"""A face recogniser that never saw the private people: MobileFaceNet, trained on MS-Celeb-1M.

Chen, Liu, Gao and Han, CCBR 2018; see `workbench.targets.nets.mobilefacenet`. Its body is also to be had as that of a target,
whose judge it then cannot be.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.core.weights import has_weights, read_card
from workbench.recognisers.base import Card, recogniser
from workbench.recognisers.gallery import FaceGallery, FaceNetwork, open_gallery
from workbench.scenarios import Scenario
from workbench.targets.nets.mobilefacenet import PRETRAINED, SIDE, MobileFaceNet
from workbench.targets.store import shipped_body

KEY, TITLE, BODY = "face-mobilefacenet", "MobileFaceNet", "mobilefacenet"
BORDER = 3 / 64


class Embedder(nn.Module):
    """RGB faces (n, 3, 112, 112) in [0, 1] to embeddings (n, 128)."""

    def __init__(self, body: MobileFaceNet) -> None:
        super().__init__()
        self.body = body

    def forward(self, images: Tensor) -> Tensor:
        return self.body.embed((images - self.body.get_buffer("mean")) / self.body.get_buffer("std"))


@recogniser(KEY, title=TITLE, order=2)
def open_mobilefacenet(scenario: Scenario, device: torch.device) -> FaceGallery | None:
    """Return the recogniser with the scenario's private people as its gallery; None where it shows no faces."""
    if scenario.class_noun != "person" or not has_weights(PRETRAINED):
        return None
    body = MobileFaceNet()
    body.load_state_dict(shipped_body(PRETRAINED))
    card = Card("MS-Celeb-1M, 100,000 public figures", BODY, read_card(PRETRAINED)["sha256"])
    network = FaceNetwork(Embedder(body.eval()).to(device), SIDE, BORDER)
    return open_gallery(scenario, network, KEY, TITLE, card)
