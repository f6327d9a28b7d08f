"""Targets elsewhere: which ones the command line allows, and opening them.

A run names them ``http:NAME`` and ``onnx:NAME``. What NAME stands for is said once, when the program starts
(``--endpoint NAME=URL``, ``--onnx NAME=FILE``); neither a page nor a recorded run can add an address. A service that
wants a token gets the value of an environment variable (``--endpoint-token-env NAME=VARIABLE``): that is read when it is
asked, and written nowhere. How an ONNX file wants its pixels, ``--input NAME=WORDS`` says, as `InputSpec` reads it.
"""

from __future__ import annotations

import argparse
import os
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from workbench.core.errors import Failure, TargetAway, UsageError, WorkbenchError
from workbench.core.records import Access
from workbench.targets.inputs import AS_THEY_ARE, InputSpec
from workbench.targets.remote.base import ForeignTarget
from workbench.targets.remote.http import GLANCE, Endpoint
from workbench.targets.remote.onnx import OnnxFile

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
TOKEN = re.compile(r"[\x21-\x7e]+")  # what may stand in a header
FLAGS = {"http": "--endpoint", "onnx": "--onnx"}
TOKEN_FLAG = "--endpoint-token-env"
INPUT_FLAG = "--input"
REMEMBERED = 2.0  # seconds for which a look at a target holds, so that one click does not ask several times


@dataclass(frozen=True)
class Source:
    """One target elsewhere.

    Attributes:
        kind: "http" or "onnx".
        variable: the environment variable that holds its token; "" where it wants none.
        spec: how an ONNX file wants its pixels.
    """

    kind: str
    name: str
    address: str
    variable: str = ""
    spec: InputSpec = AS_THEY_ARE

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.name}"


_allowed: dict[str, Source] = {}
_looks: dict[tuple[str, str, tuple[int, ...]], tuple[float, ForeignTarget | WorkbenchError]] = {}


def is_foreign(target: str) -> bool:
    """Return whether a target's name is that of one elsewhere."""
    return target.split(":")[0] in FLAGS and ":" in target


def allow(kind: str, text: str) -> Source:
    """Put ``NAME=ADDRESS`` on the list; raises `UsageError` if it is malformed or the file is not there."""
    flag = FLAGS[kind]
    name, sign, address = text.partition("=")
    if not sign or not NAME.fullmatch(name):
        raise UsageError(
            f"{flag} {text}: write it as {flag} NAME={'URL' if kind == 'http' else 'FILE'}, the name in small "
            "letters, digits, - and _."
        )
    if kind == "onnx":
        if not Path(address).is_file():
            raise UsageError(f"{flag} {text}: there is no file {address}.")
        # Links are not followed: what lies beside the link, such as a file of weights, has the names that the model knows.
        address = os.path.abspath(address)
    else:
        try:
            parts = urlsplit(address)
            whole = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
        except ValueError:
            whole = False
        if not whole or parts.username or parts.fragment:
            raise UsageError(f"{flag} {text}: the address must be http://HOST:PORT/PATH or https, without a user name.")
    source = Source(kind, name, address)
    _allowed[source.key] = source
    return source


def allow_token(text: str) -> None:
    """Let a target on the list have the token in ``NAME=VARIABLE``.

    Raises:
        UsageError: it is malformed, no such target is on the list, or the variable holds no token.
    """
    name, _, variable = text.partition("=")
    source = _allowed.get(f"http:{name}")
    if not VARIABLE.fullmatch(variable):
        raise UsageError(f"{TOKEN_FLAG}: write it as {TOKEN_FLAG} NAME=VARIABLE, the name of an environment variable.")
    if source is None:
        raise UsageError(f"{TOKEN_FLAG} {text}: there is no --endpoint {name[:41]}=URL.")
    _allowed[source.key] = replace(source, variable=variable)
    token_of(_allowed[source.key])


def allow_input(text: str) -> None:
    """Let an ONNX file on the list have its pixels as ``NAME=WORDS`` says; raises `UsageError`."""
    name, sign, words = text.partition("=")
    source = _allowed.get(f"onnx:{name}")
    if not sign or source is None:
        raise UsageError(f"{INPUT_FLAG} {text[:80]}: write it as NAME=WORDS for an --onnx NAME=FILE that is named too.")
    _allowed[source.key] = replace(source, spec=InputSpec.of(words))


def token_of(source: Source) -> str:
    """Return the token of a target, "" where it wants none; raises `UsageError` if its variable holds none."""
    token = os.environ.get(source.variable, "") if source.variable else ""
    if source.variable and not TOKEN.fullmatch(token):
        raise UsageError(
            f"{TOKEN_FLAG} {source.name}={source.variable}: the environment variable {source.variable} "
            f"{'is not set' if not token else 'holds spaces or other characters that no token has'}."
        )
    return token


def forget() -> None:
    """Empty the list."""
    _allowed.clear()
    _looks.clear()


def sources() -> list[Source]:
    """Return what the command line allows."""
    return list(_allowed.values())


def source_of(target: str) -> Source:
    """Return what a target's name stands for; raises `UsageError` if the command line does not allow it."""
    if target not in _allowed:
        kind, _, name = target.partition(":")
        known = f" Allowed now: {', '.join(_allowed)}." if _allowed else ""
        raise UsageError(
            f"'{target}' is not among the targets that the command line allows. Start the program with "
            f"{FLAGS[kind]} {name}={'URL' if kind == 'http' else 'FILE'}.{known}"
        )
    return _allowed[target]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the flags by which a program is told of targets elsewhere."""
    parser.add_argument(
        "--endpoint", action="append", default=[], metavar="NAME=URL", help="allow a target behind HTTP, as http:NAME"
    )
    parser.add_argument(
        TOKEN_FLAG,
        dest="endpoint_tokens",
        action="append",
        default=[],
        metavar="NAME=VARIABLE",
        help="send http:NAME the token in this environment variable (Authorization: Bearer)",
    )
    parser.add_argument(
        "--onnx", action="append", default=[], metavar="NAME=FILE", help="allow a target in an ONNX file, as onnx:NAME"
    )
    parser.add_argument(
        INPUT_FLAG,
        dest="inputs",
        action="append",
        default=[],
        metavar="NAME=WORDS",
        help="how onnx:NAME wants its pixels: unit, half, imagenet, bytes, caffe, insightface, or mean=…,std=…,range=255, "
        "bgr, fit, nhwc, output=NAME",
    )


def allow_from(options: argparse.Namespace) -> None:
    """Put what the flags say on the list; raises `UsageError`."""
    for kind, texts in (("http", options.endpoint), ("onnx", options.onnx)):
        for text in texts:
            allow(kind, text)
    for text in options.endpoint_tokens:
        allow_token(text)
    for text in options.inputs:
        allow_input(text)


def as_options() -> list[str]:
    """Return the flags that allow another process the same; tokens it finds in its own environment."""
    words = [word for s in sources() for word in (FLAGS[s.kind], f"{s.name}={s.address}")]
    words += [word for s in sources() if s.spec != AS_THEY_ARE for word in (INPUT_FLAG, f"{s.name}={s.spec}")]
    return words + [word for s in sources() if s.variable for word in (TOKEN_FLAG, f"{s.name}={s.variable}")]


def endpoint_of(source: Source, **how: Any) -> Endpoint:
    """Return a target behind HTTP, asked with its token; `how` goes to `Endpoint`, whose errors it raises."""
    return Endpoint(source.key, source.address, token=token_of(source), **how)


def open_target(target: str, shape: tuple[int, int, int], classes: int | None = None) -> ForeignTarget:
    """Return a target elsewhere.

    Args:
        classes: K, which tells an ONNX file's scores from its other outputs.

    Raises:
        UsageError: the command line does not allow it.
        TargetAway, BadAnswer, Incompatible, DataMissing.
    """
    source = source_of(target)
    if source.kind == "http":
        return endpoint_of(source)
    return OnnxFile(source.key, Path(source.address), shape, source.spec, classes)


def answers(target: str) -> bool:
    """Return whether a target behind HTTP is there now; raises `UsageError` if the command line does not allow it."""
    try:
        endpoint_of(source_of(target), seconds=GLANCE, tries=1)
    except Failure:
        return False
    return True


def foreign_problem(target: str, shape: tuple[int, int, int], classes: int, access: Access) -> str | None:
    """Return why an attack with this access cannot be run on a target elsewhere, in a sentence, or None.

    Looks whether it is there; what was seen holds for a few seconds.
    """
    source = source_of(target)
    key = (target, f"{source.address} {source.spec}", shape)
    when, seen = _looks.get(key, (-REMEMBERED, None))
    if seen is None or time.monotonic() - when > REMEMBERED:
        try:
            if source.kind == "http":
                seen = endpoint_of(source, seconds=GLANCE, tries=1)
            else:
                seen = open_target(target, shape, classes)
        except WorkbenchError as error:
            seen = error
        _looks[key] = time.monotonic(), seen
    if isinstance(seen, TargetAway):
        return f"{seen} Start it, or check its address and the way to it, and run again; the settings stay as they are."
    if isinstance(seen, WorkbenchError):
        return str(seen)
    return seen.offer.problem(target, shape, classes, access)
