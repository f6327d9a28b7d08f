"""A target as it is built in practice: a recogniser of faces that knows millions, its last blocks taught the private people.

MobileFaceNet, Chen, Liu, Gao and Han, CCBR 2018, https://arxiv.org/abs/1804.07573, trained on MS-Celeb-1M.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.targets.architectures import architecture
from workbench.targets.nets.mobilefacenet import PRETRAINED, SIDE, TEMPERATURE, MobileFaceNet

TAUGHT_BLOCKS = 3  # of the body's fifteen; those before them see edges and parts of any face


class FaceNet(MobileFaceNet):
    """Images as `Normalize` leaves them, (n, C, H, W), to embeddings (n, 128) of length 16.

    The last blocks learn; batch norms keep the statistics of the millions, which a few hundred images could only spoil.
    """

    def __init__(self) -> None:
        super().__init__()
        for part in (*self.features[-TAUGHT_BLOCKS:], self.conv2, self.gdconv, self.conv3, self.bn):
            part.requires_grad_(True)

    def forward(self, normalized: Tensor) -> Tensor:
        images = (normalized * 0.25 + 0.5).expand(-1, 3, -1, -1)
        images = F.interpolate(images, (SIDE, SIDE), mode="bilinear", align_corners=False)
        return TEMPERATURE * F.normalize(self.embed((images - self.mean) / self.std))


@architecture(
    "facenet",
    title="Face recogniser (MobileFaceNet, fine-tuned)",
    order=0,
    pretrained=PRETRAINED,
    body="mobilefacenet",
    recipe=dict(epochs=16, batch=40, lr=1e-3, weight_decay=1e-4, zero_head=True),
    seen=1500,
)
def facenet(shape: tuple[int, int, int]) -> tuple[nn.Module, int]:
    return FaceNet(), 128
