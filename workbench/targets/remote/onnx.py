"""A target in an ONNX file, asked through onnxruntime on the CPU.

One input of images, (n, C, H, W) or channels last, of float or uint8, scaled as an `InputSpec` says; float32 in [0, 1] where
it says nothing, 0 to 255 where the file takes uint8. Of several outputs the one with a column for each class (n, K) is
asked. It is logits, or confidences if the rows of two plain images lie in [0, 1] and sum to one. A batch may be of any size
or of a fixed one, to which what is asked is filled up. The file is only ever asked for scores: its weights are not looked
at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbench.core.errors import BadAnswer, DataMissing, Incompatible
from workbench.core.records import Access
from workbench.core.shapes import Shape
from workbench.targets.inputs import AS_THEY_ARE, NAMED, Adapter, InputSpec
from workbench.targets.remote.base import ForeignTarget, RemoteCard, scores_of

KINDS = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
LOCATION = re.compile(r'"([^"]+)"')  # of what an error speaks of


class OnnxFile(ForeignTarget):
    """Answers from a file.

    Args:
        shape: (C, H, W) of the images to be asked about; the file may leave height and width open.
        spec: what the file wants pixels to be.
        classes: K, by which the output that is asked is told from others; None takes the first that could be scores.

    Raises:
        DataMissing: onnxruntime is not installed.
        Incompatible: the file is none, its shapes are not those of a classifier of such images, or several outputs could be
            the scores.
    """

    def __init__(
        self, name: str, path: Path, shape: Shape, spec: InputSpec = AS_THEY_ARE, classes: int | None = None
    ) -> None:
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
                [f"{self._title} takes {inputs[0].type}. Export it with float32 or uint8 images as input."]
            )
        self._kind = KINDS[inputs[0].type]
        if self._kind == np.uint8 and spec.scaled_as(AS_THEY_ARE) == spec:
            spec = spec.scaled_as(NAMED["bytes"])
        self._last = spec.nhwc if spec.nhwc is not None else _channels_last(sizes)
        self._shape, self._wanted = shape, _wanted(sizes, self._last, shape)
        if len(sizes) != 4 or (self._wanted != shape and not spec.fit):
            hint = f" Or have images made to fit: --input {name.split(':')[-1]}=fit." if len(sizes) == 4 else ""
            raise Incompatible(
                [
                    f"{self._title} takes input of shape {sizes}, and the images are [n, "
                    f"{', '.join(map(str, shape))}]. Choose the scenario that it was made for.{hint}"
                ]
            )
        self.spec = spec
        self._batch = sizes[0] if isinstance(sizes[0], int) else None
        self._logits, self._output = False, spec.output or None
        first = self._chosen(torch.tensor([0.25, 0.75])[:, None, None, None].expand(2, *shape), classes)
        self._logits = bool((first < 0).any() or (first > 1).any() or ((first.sum(1) - 1).abs() > 1e-3).any())
        super().__init__(name, RemoteCard(shape, first.shape[1], Access.SCORES, title=path.name))

    @property
    def channels(self) -> int:
        """How many channels the file takes."""
        return self._wanted[0]

    def confidences(self, images: Tensor) -> Tensor:
        return self.confidences_as(images, self.spec)

    def confidences_as(self, images: Tensor, spec: InputSpec) -> Tensor:
        """Return confidences (n, K) for images (n, C, H, W) in [0, 1], scaled in another way; raises `BadAnswer`."""
        values = self._run(images, spec)
        if self._logits:
            if not torch.isfinite(values).all():
                raise BadAnswer(f"{self._title} answered with logits that are no numbers (NaN or infinite).")
            values = values.softmax(1)
        return scores_of(self._title, values, len(images), self.offer.classes).to(images.device)

    def _chosen(self, images: Tensor, classes: int | None) -> Tensor:
        """Decide which output is asked, and return what it answers two images, (2, K)."""
        names = [output.name for output in self._session.get_outputs()]
        if self._output is not None and self._output not in names:
            raise Incompatible([f"{self._title} has no output '{self._output}'; it has: {', '.join(names)}."])
        names = [self._output] if self._output else names
        answers = {name: self._run(images, self.spec, name) for name in names}
        rows = {n: a for n, a in answers.items() if a.ndim == 2 and len(a) == 2 and a.shape[1] >= 2}
        if not rows:
            shape = list(next(iter(answers.values())).shape)
            raise Incompatible(
                [f"{self._title} answers two images with shape {shape}. A classifier answers [2, classes]."]
            )
        fitting = [name for name, answer in rows.items() if answer.shape[1] == classes]
        if len(fitting) > 1:
            raise Incompatible(
                [
                    f"{self._title} has {len(fitting)} outputs of {classes} columns ({', '.join(fitting)}). Say which "
                    f"are the scores: --input {self._title.split(' ')[0].split(':')[-1]}=output=NAME."
                ]
            )
        self._output = (fitting or list(rows))[0]
        return rows[self._output]

    def _run(self, images: Tensor, spec: InputSpec, output: str | None = None) -> Tensor:
        """Return what the file answers, (n, ...), float32."""
        n, size = len(images), self._batch or max(1, len(images))
        adapted = Adapter(spec, self._shape, self._wanted)(images.detach().cpu().float())
        if self._kind == np.uint8:
            adapted = adapted.round().clamp(0, 255)
        if self._last:
            adapted = adapted.permute(0, 2, 3, 1)
        pixels = np.ascontiguousarray(adapted.numpy().astype(self._kind))
        answers = []
        for begun in range(0, n, size):
            part = pixels[begun : begun + size]
            short = size - len(part)
            if short:
                part = np.concatenate([part, np.zeros((short, *part.shape[1:]), part.dtype)])
            answers.append(self._one(part, output or self._output)[: size - short])
        return torch.from_numpy(np.concatenate(answers).astype(np.float32))

    def _one(self, pixels: np.ndarray, output: str | None) -> np.ndarray:
        try:
            answer = self._session.run(None if output is None else [output], {self._input: pixels})[0]
        except Exception as error:  # onnxruntime's own exceptions have no common base
            raise BadAnswer(
                f"{self._title} cannot answer images of shape {list(pixels.shape)}: {str(error).splitlines()[0][:200]}"
            ) from None
        if not isinstance(answer, np.ndarray) or answer.ndim < 1 or len(answer) != len(pixels):
            raise BadAnswer(f"{self._title} answered {len(pixels)} images with something that is not a row for each.")
        return answer


def _channels_last(sizes: Sequence[Any]) -> bool:
    """Return whether an input of these sizes, some of them names, has its channels last."""
    return len(sizes) == 4 and sizes[3] in (1, 3) and sizes[1] not in (1, 3)


def _wanted(sizes: Sequence[Any], last: bool, shape: Shape) -> Shape:
    """Return (C, H, W) that the file takes; the images' own where it leaves a side open."""
    if len(sizes) != 4:
        return shape
    order = (sizes[3], sizes[1], sizes[2]) if last else tuple(sizes[1:])
    channels, height, width = (n if isinstance(n, int) else own for n, own in zip(order, shape, strict=True))
    return channels, height, width


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
        said = str(error).splitlines()[0]
    if beside := next((word for word in LOCATION.findall(said) if not Path(word).exists()), None):
        raise Incompatible([f"{title} keeps its weights in a file beside it, and {beside} is not there. Bring it too."])
    raise Incompatible([f"{title} is no ONNX file that can be run: {said[:200]}"])
