"""A target in an ONNX file, asked through onnxruntime on the CPU.

One input of images (n, C, H, W), float32 in [0, 1]; the first output (n, K) is logits, or confidences if the rows of
two plain images lie in [0, 1] and sum to one. A batch may be of any size or of a fixed one, to which what is asked is
filled up. The file is only ever asked for scores: its weights are not looked at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbench.core.errors import BadAnswer, DataMissing, Incompatible
from workbench.core.records import Access
from workbench.targets.remote.base import ForeignTarget, RemoteCard, scores_of

KINDS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


class OnnxFile(ForeignTarget):
    """Answers from a file.

    Args:
        shape: (C, H, W) of the images to be asked about; the file may leave height and width open.

    Raises:
        DataMissing: onnxruntime is not installed.
        Incompatible: the file is none, or its shapes are not those of a classifier of such images.
    """

    def __init__(self, name: str, path: Path, shape: tuple[int, int, int]) -> None:
        self._title = f"{name} ({path})"
        self._session = _opened(self._title, path)
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise Incompatible(
                [
                    f"{self._title} has {len(inputs)} inputs ({', '.join(i.name for i in inputs)}). "
                    "It must take images and nothing else."
                ]
            )
        self._input, sizes = inputs[0].name, list(inputs[0].shape)
        if inputs[0].type not in KINDS:
            raise Incompatible(
                [f"{self._title} takes {inputs[0].type}. Export it with float32 images in [0, 1] as input."]
            )
        self._kind = KINDS[inputs[0].type]
        if len(sizes) != 4 or any(
            isinstance(side, int) and side != own for side, own in zip(sizes[1:], shape, strict=True)
        ):
            raise Incompatible(
                [
                    f"{self._title} takes input of shape {sizes}, and the images are [n, "
                    f"{', '.join(map(str, shape))}]. Choose the scenario that it was made for."
                ]
            )
        self._batch = sizes[0] if isinstance(sizes[0], int) else None
        self._logits = False
        grey = torch.tensor([0.25, 0.75])[:, None, None, None].expand(2, *shape)
        first = self._run(grey)
        if first.ndim != 2 or len(first) != 2 or first.shape[1] < 2:
            raise Incompatible(
                [f"{self._title} answers two images with shape {list(first.shape)}. A classifier answers [2, classes]."]
            )
        self._logits = bool((first < 0).any() or (first > 1).any() or ((first.sum(1) - 1).abs() > 1e-3).any())
        super().__init__(name, RemoteCard(shape, first.shape[1], Access.SCORES, title=path.name))

    def confidences(self, images: Tensor) -> Tensor:
        values = self._run(images)
        if self._logits:
            if not torch.isfinite(values).all():
                raise BadAnswer(f"{self._title} answered with logits that are no numbers (NaN or infinite).")
            values = values.softmax(1)
        return scores_of(self._title, values, len(images), self.offer.classes).to(images.device)

    def _run(self, images: Tensor) -> Tensor:
        """Return what the file answers, (n, ...), float32."""
        n, size = len(images), self._batch or max(1, len(images))
        pixels = images.detach().cpu().numpy().astype(self._kind)
        answers = []
        for begun in range(0, n, size):
            part = pixels[begun : begun + size]
            short = size - len(part)
            if short:
                part = np.concatenate([part, np.zeros((short, *part.shape[1:]), part.dtype)])
            answers.append(self._one(part)[: size - short])
        return torch.from_numpy(np.concatenate(answers).astype(np.float32))

    def _one(self, pixels: np.ndarray) -> np.ndarray:
        try:
            answer = self._session.run(None, {self._input: pixels})[0]
        except Exception as error:  # onnxruntime's own exceptions have no common base
            raise BadAnswer(
                f"{self._title} cannot answer images of shape {list(pixels.shape)}: {str(error).splitlines()[0][:200]}"
            ) from None
        if not isinstance(answer, np.ndarray) or answer.ndim < 1 or len(answer) != len(pixels):
            raise BadAnswer(f"{self._title} answered {len(pixels)} images with something that is not a row for each.")
        return answer


def _opened(title: str, path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise DataMissing("ONNX files need the package onnxruntime. Install it with: pip install onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions have no common base
        raise Incompatible([f"{title} is no ONNX file that can be run: {str(error).splitlines()[0][:200]}"]) from None
