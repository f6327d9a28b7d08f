"""Networks that were exported with ``torch.export``, read without running anything in the file.

``torch.export.load`` unpickles what a file says is pickled and evaluates texts in it, so that a file could run any program.
Here the graph is taken as what it is, a list of operations of ATen on named tensors, each of which is looked at before it is
accepted; weights are read as numbers. What comes of it can be differentiated, so that white-box attacks work on it.
"""

from __future__ import annotations

import json
import math
import operator
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workbench.core.errors import Incompatible, UsageError, WeightsCorrupt
from workbench.core.shapes import image_shape

MOST = 4 * 2**30  # bytes of what is in the file
MOST_NODES = 20_000
GRAPH, WEIGHTS, CONSTANTS = "models/model.json", "data/weights/", "data/constants/"
ATEN = re.compile(r"torch\.ops\.aten\.([a-z_][a-z0-9_]*)\.([A-Za-z0-9_]+)")
VIEW = "torch.ops.aten.view.default"
ARITHMETIC = ("getitem", "add", "sub", "mul", "floordiv", "truediv", "neg", "mod", "eq", "ne", "ge", "gt", "le", "lt")
SAID = ("same", "valid", "none", "tanh", "trunc", "floor")  # texts that operations of networks are given
# What only checks shapes, or says something of them to a compiler.
PASSED_OVER = re.compile(r"torch\.ops\.aten\.(_assert_\w+|sym_constrain_range\w*)\.\w+")
# Numbers by which the format names kinds of numbers, and layouts in memory.
KINDS = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}
LAYOUTS = {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d, 4: torch.preserve_format}
NAMES = ("parameter_name", "buffer_name", "tensor_constant_name")  # of the format, for what a tensor is called
EXPORT = "Export it anew: torch.export.save(torch.export.export(model.eval(), (images,)), 'mine.pt2')."


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        call: what computes it.
        given: positional arguments, as the file has them.
        named: arguments by name.
        makes: names of what comes out; one list of names where the operation returns a list.
    """

    call: Callable[..., Any]
    given: Sequence[Any]
    named: Mapping[str, Any]
    makes: Sequence[Any]


class Program(nn.Module):
    """An exported network: images (n, C, H, W) to what it answers, (n, K).

    Args:
        graph: what it consists of, as plain data, and as `graph` says it again: ``nodes`` (operations, each with target, inputs
            and outputs), ``held`` (name in the graph to sizes and kind of a tensor), ``image`` and ``answer`` (names), ``takes``
            (C, H, W) and ``batch`` (how many images at once, 0 for any number). It is looked at here, wherever it comes from.
        tensors: by name in the graph; zeros, to be filled by `load_state_dict`, if None.
        source: what it was read from, for messages.

    Raises:
        Incompatible: an operation is none of a network's.
    """

    def __init__(self, graph: Mapping[str, Any], tensors: Mapping[str, Tensor] | None = None, source: str = "") -> None:
        super().__init__()
        self.graph = graph
        self.nodes = tuple(_node(told, source) for told in graph["nodes"])
        self.image, self.answer, self.batch = str(graph["image"]), str(graph["answer"]), int(graph["batch"])
        self.takes = image_shape(graph["takes"])
        self.names = tuple(graph["held"])
        for name, (sizes, kind) in graph["held"].items():
            value = torch.zeros(sizes, dtype=KINDS[kind]) if tensors is None else tensors[name]
            if value.is_floating_point():
                self.register_parameter(_own(name), nn.Parameter(value, requires_grad=False))
            else:
                self.register_buffer(_own(name), value)

    def forward(self, images: Tensor) -> Tensor:
        """Return (n, K)."""
        if not self.batch or len(images) == self.batch:
            return self._answered(images)
        parts = images.split(self.batch)
        filled = [torch.cat([p, p[-1:].expand(self.batch - len(p), *p.shape[1:])]) for p in parts]
        return torch.cat([self._answered(f)[: len(p)] for f, p in zip(filled, parts, strict=True)])

    def _answered(self, images: Tensor) -> Tensor:
        held: dict[str, Any] = {name: getattr(self, _own(name)) for name in self.names}
        held[self.image] = images
        for node in self.nodes:
            given = [_value(a, held, images.device) for a in node.given]
            named = {k: _value(a, held, images.device) for k, a in node.named.items()}
            found = node.call(*given, **named)
            if len(node.makes) == 1 and isinstance(node.makes[0], str):
                held[node.makes[0]] = found
            else:
                names = node.makes[0] if isinstance(node.makes[0], list) else node.makes
                held.update(zip(names, found, strict=True))
        answer: Tensor = held[self.answer]
        return answer


def _own(name: str) -> str:
    """Return the name by which a module may hold a tensor of this name."""
    return "held_" + name.replace(".", "__")


def is_program(path: Path) -> bool:
    """Return whether a file is an archive as ``torch.export.save`` writes it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.partition("/")[2] == GRAPH for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return False


def read_program(path: Path) -> Program:
    """Return the network in a file, with its weights, as float32.

    Raises:
        Incompatible: it holds pickles, operations that are none of a network's, or takes something other than images.
        UsageError: it unpacks to more than is read.
        WeightsCorrupt: it is cut short, or some weights are not finite.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            inside = {info.filename.partition("/")[2]: info for info in archive.infolist()}
            if sum(info.file_size for info in inside.values()) > MOST:
                raise UsageError(f"{path} unpacks to more than {MOST / 2**30:g} GiB and is not read.")
            graph = json.loads(archive.read(inside[GRAPH]))["graph_module"]
            tensors = {
                **_tensors(archive, inside, WEIGHTS, path),
                **_tensors(archive, inside, CONSTANTS, path),
            }
        return _program(graph, tensors, path)
    except (
        zipfile.BadZipFile,
        OSError,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        RuntimeError,
        AttributeError,
    ) as error:
        why = (str(error) or type(error).__name__).strip().splitlines()[0][:160]
        raise WeightsCorrupt(f"{path} is no whole exported program ({why}). {EXPORT}") from None


def _tensors(
    archive: zipfile.ZipFile, inside: Mapping[str, zipfile.ZipInfo], folder: str, path: Path
) -> dict[str, Tensor]:
    """Return tensors by their names in the network."""
    config = f"{folder}model_{'weights' if folder == WEIGHTS else 'constants'}_config.json"
    if config not in inside:
        raise Incompatible([f"{path} keeps its weights as a pickle, as old versions of torch did. {EXPORT}"])
    found = {}
    for name, told in json.loads(archive.read(inside[config]))["config"].items():
        if told["use_pickle"] or told["tensor_meta"] is None:
            raise Incompatible(
                [f"{path}: {name} is a pickle; reading it could run any program, so it is not read. {EXPORT}"]
            )
        meta = told["tensor_meta"]
        kind = KINDS[meta["dtype"]]
        raw = archive.read(inside[folder + told["path_name"]])
        flat = torch.frombuffer(bytearray(raw), dtype=kind) if raw else torch.empty(0, dtype=kind)
        sizes, strides = ([int(part["as_int"]) for part in meta[key]] for key in ("sizes", "strides"))
        value = torch.as_strided(flat, sizes, strides, int(meta["storage_offset"]["as_int"])).clone()
        if value.is_floating_point():
            value = value.float()
            if not bool(torch.isfinite(value).all()):
                raise WeightsCorrupt(f"{path}: {name} holds numbers that are not finite (NaN or infinite). {EXPORT}")
        found[name] = value
    return found


def _program(module: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path) -> Program:
    graph, signature = module["graph"], module["signature"]
    held, images = {}, []
    for spec in signature["input_specs"]:
        ((kind, told),) = spec.items()
        if kind == "user_input":
            images.append(told["arg"]["as_tensor"]["name"])
            continue
        known = next((told[key] for key in NAMES if key in told), None)
        if known is None or known not in tensors:
            raise Incompatible(
                [f"{path} wants a {kind.replace('_', ' ')}, which no classifier of images does. {EXPORT}"]
            )
        held[str(told["arg"]["name"])] = tensors[known]
    outputs = signature["output_specs"]
    answers = [spec["user_output"]["arg"]["as_tensor"]["name"] for spec in outputs if "user_output" in spec]
    if len(images) != 1 or len(answers) != 1 or len(outputs) != 1:
        raise Incompatible(
            [
                f"{path} takes {len(images)} tensors and returns or changes {len(outputs)}; a target takes images and returns a row "
                f"of scores for each. Put the model in eval mode, and export it anew. {EXPORT}"
            ]
        )
    sizes = [part.get("as_int", 0) for part in graph["tensor_values"][images[0]]["sizes"]]
    if len(sizes) != 4 or min(sizes[1:]) < 1:
        raise Incompatible([f"{path} takes {sizes}, where images (n, C, H, W) of a fixed size belong. {EXPORT}"])
    if len(graph["nodes"]) > MOST_NODES:
        raise Incompatible([f"{path} has {len(graph['nodes']):,} operations; at most {MOST_NODES:,} are read."])
    nodes = [node for node in graph["nodes"] if not PASSED_OVER.fullmatch(str(node["target"]))]
    numbers = {kind: number for number, kind in KINDS.items()}
    plain = {
        "nodes": [{key: node[key] for key in ("target", "inputs", "outputs")} for node in nodes],
        "held": {name: [list(value.shape), numbers[value.dtype]] for name, value in held.items()},
        "image": images[0],
        "answer": answers[0],
        "takes": sizes[1:],
        "batch": sizes[0],
    }
    return Program(plain, held, str(path)).eval()


def _node(told: Mapping[str, Any], path: str) -> Operation:
    call = _operation(str(told["target"]), path)
    given, named = [], {}
    for part in told["inputs"]:
        _ensure_plain(part["arg"], path)
        if part.get("kind") == 2:
            named[str(part["name"])] = part["arg"]
        else:
            given.append(part["arg"])
    return Operation(call, given, named, [_made(out) for out in told["outputs"]])


def _operation(target: str, path: str) -> Callable[..., Any]:
    """Return what computes an operation: one of ATen's, or arithmetic on sizes; raises `Incompatible`."""
    module, _, name = target.rpartition(".")
    if module == "_operator" and name in ARITHMETIC:
        found: Callable[..., Any] = getattr(operator, name)
        return found
    known = ATEN.fullmatch(target)
    packet = getattr(torch.ops.aten, known[1], None) if known else None
    if known is None or packet is None or known[2] not in packet.overloads():
        raise Incompatible(
            [f"{path} holds '{target[:80]}', which is no operation of a network, so nothing of it is run. {EXPORT}"]
        )
    if target == VIEW:  # which memory laid out otherwise than where it was exported refuses
        return torch.reshape
    operation: Callable[..., Any] = getattr(packet, known[2])
    return operation


def _ensure_plain(arg: Mapping[str, Any], path: str) -> None:
    """Raise `Incompatible` for an argument that is neither tensors nor numbers: a text may be the name of a file."""
    ((kind, value),) = arg.items()
    if kind == "as_string" and value not in SAID:
        raise Incompatible([f"{path} gives an operation the text '{str(value)[:60]}', which no network does."])
    if kind not in PLAIN:
        raise Incompatible(
            [f"{path} gives an operation {kind.removeprefix('as_').replace('_', ' ')}, which is not read here."]
        )


def _made(out: Mapping[str, Any]) -> Any:
    ((kind, value),) = out.items()
    if kind == "as_tensors":
        return [str(part["name"]) for part in value]
    return str(value["name"] if kind == "as_tensor" else value["as_name"])


def _size(part: Mapping[str, Any], held: Mapping[str, Any]) -> Any:
    """Return a number, or one that was computed before."""
    ((kind, value),) = part.items()
    return held[value] if kind == "as_name" else value


def _optional(part: Mapping[str, Any], held: Mapping[str, Any]) -> Any:
    ((kind, value),) = part.items()
    return None if kind == "as_none" else held[value["name"]]


# From an argument as the file has it, what is held by name, and where the images are, to what an operation is given.
PLAIN: Mapping[str, Callable[[Any, Mapping[str, Any], torch.device], Any]] = {
    "as_none": lambda value, held, device: None,
    "as_tensor": lambda value, held, device: held[value["name"]],
    "as_tensors": lambda value, held, device: [held[part["name"]] for part in value],
    "as_optional_tensors": lambda value, held, device: [_optional(part, held) for part in value],
    "as_sym_int": lambda value, held, device: _size(value, held),
    "as_sym_ints": lambda value, held, device: [_size(part, held) for part in value],
    "as_sym_float": lambda value, held, device: _size(value, held),
    "as_sym_bool": lambda value, held, device: _size(value, held),
    "as_scalar_type": lambda value, held, device: KINDS[value],
    "as_memory_format": lambda value, held, device: LAYOUTS[value],
    "as_layout": lambda value, held, device: torch.strided,
    "as_device": lambda value, held, device: device,
    **{
        f"as_{kind}": lambda value, held, device: value
        for kind in ("int", "ints", "int_lists", "bool", "bools", "floats", "string")
    },
    "as_float": lambda value, held, device: (
        math.inf if value == "Infinity" else -math.inf if value == "-Infinity" else value
    ),
}


def _value(arg: Mapping[str, Any], held: Mapping[str, Any], device: torch.device) -> Any:
    ((kind, value),) = arg.items()
    return PLAIN[kind](value, held, device)
