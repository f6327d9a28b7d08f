"""MNIST: 70,000 handwritten digits; 0 to 4 are private, 5 to 9 public."""

from __future__ import annotations

from pathlib import Path

from workbench.scenarios.sets.base import DataSet, data_set


@data_set("mnist", order=1)
class MNIST(DataSet):
    title = "MNIST"
    paper = "LeCun, Bottou, Bengio and Haffner, Proceedings of the IEEE 1998"
    obtain = "torchvision.datasets.MNIST(FOLDER, download=True), or Keras' mnist.npz."
    licence = "CC BY-SA 3.0, as usually stated"
    expected = "MNIST/raw/train-images-idx3-ubyte and so on, gzipped or not; or mnist.npz with x_train, y_train"
    protocol = "0 to 4 are private, 5 to 9 public"
    shape = (1, 32, 32)
    private = ("0", "1", "2", "3", "4")
    noun = "digit"
    flips = False

    def place(self, path: Path) -> Path:
        return path / "mnist.npz" if (path / "mnist.npz").is_file() else super().place(path)
