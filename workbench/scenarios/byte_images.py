"""Images that are held as bytes and looked at as floats: 12 kB for one of 64 × 64 in colour, where float32 takes 48."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

# Of these a part, or the same elsewhere, is still bytes. Everything else is computed with floats.
STAY = {
    "split",
    "chunk",
    "narrow",
    "detach",
    "cpu",
    "cuda",
    "contiguous",
    "pin_memory",
}
PLAIN = {"size", "dim", "ndimension", "numel", "nelement", "is_contiguous", "stride", "get_device", "__len__"}
FACTS = {"shape", "device", "ndim", "is_cuda", "is_sparse", "layout", "requires_grad", "is_leaf", "grad", "grad_fn"}


class ByteImages(Tensor):
    """Images (N, C, H, W), float32 in [0, 1] to whoever computes with them, uint8 in memory.

    Slices, `split` and moves to another device keep the bytes; picked rows, and what is computed, are float32. It is not
    to be written to.

    Attributes:
        names: what each image is called, as it was read; empty where nothing says so.
    """

    names: Sequence[str]

    @staticmethod
    def of(data: Tensor, names: Sequence[str] = ()) -> ByteImages:
        """Return images over the bytes (N, C, H, W), which are not copied.

        Raises:
            ValueError: the tensor is not of bytes.
        """
        if data.dtype != torch.uint8:
            raise ValueError(f"{data.dtype} is not uint8")
        images = data.as_subclass(ByteImages)
        images.names = names
        return images

    @property
    def bytes(self) -> Tensor:
        """The images as they are held, uint8 (N, C, H, W)."""
        with torch._C.DisableTorchFunctionSubclass():
            return self.as_subclass(Tensor)

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs, name = kwargs or {}, getattr(func, "__name__", "")
        if name == "__get__":  # a property
            return cls._fact(func, args[0])
        if name in PLAIN:
            return func(args[0].bytes, *args[1:], **kwargs)
        if name == "__setitem__" or (name.endswith("_") and not name.endswith("__")):
            raise TypeError(f"images held as bytes are not written to ({name}); use a copy: images.float()")
        if (
            name in STAY
            or (name == "__getitem__" and _only_slices(args[1]))
            or (name == "to" and _only_moves(args[1:], kwargs))
        ):
            return _wrapped(func(args[0].bytes, *args[1:], **kwargs))
        if name == "__getitem__" and isinstance(args[0], ByteImages):
            index = _floats(args[1]) if isinstance(args[1], ByteImages) else args[1]
            return _floats_of(args[0].bytes[index])
        return func(*_floats(args), **_floats(kwargs))

    @classmethod
    def _fact(cls, func: Callable[..., Any], images: ByteImages) -> Any:
        owner = getattr(func, "__self__", None)
        name = getattr(owner, "__name__", "")
        if name == "dtype":
            return torch.float32
        if name == "itemsize":
            return 4
        return func(images.bytes) if name in FACTS else func(_floats_of(images.bytes))


def _floats_of(data: Tensor) -> Tensor:
    return data.to(torch.float32) / 255


def _floats(value: Any) -> Any:
    """Return a value with every `ByteImages` in it as float32."""
    if isinstance(value, ByteImages):
        return _floats_of(value.bytes)
    if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        return type(value)(map(_floats, value)) if type(value) in (list, tuple) else value
    if isinstance(value, dict):
        return {key: _floats(part) for key, part in value.items()}
    return value


def _wrapped(result: Any) -> Any:
    if isinstance(result, Tensor):
        return ByteImages.of(result)
    return type(result)(map(ByteImages.of, result))


def _only_slices(index: Any) -> bool:
    return isinstance(index, slice)


def _only_moves(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Return whether what is given to `Tensor.to` names a device alone."""
    given = [*args, *kwargs.values()]
    return bool(given) and all(isinstance(part, (str, torch.device, int, bool)) for part in given)
