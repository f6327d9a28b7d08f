"""What is in pictures that somebody brings, before anything of them is kept: counts, copies, thumbnails, what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from workbench.core.errors import UsageError
from workbench.core.shapes import Shape
from workbench.runs.contact_sheet import SheetLayout, compose, webp
from workbench.scenarios.own.plan import DataPlan, plan_of
from workbench.scenarios.reading.layout import ClassesFrom
from workbench.scenarios.reading.picture import Fitting
from workbench.scenarios.reading.read import Progress, read_pictures
from workbench.scenarios.sets.base import DATA_SETS, DataSet

SIDES = (28, 256)  # pixels that targets and priors are made for
USUAL = 64
SHOWN, ROWS = 8, 40  # thumbnails of a class; classes on a sheet
PUBLIC_SHOWN = 32
CAPTION, MARGIN, GAP = 18, 12, 4  # pixels


@dataclass(frozen=True, eq=False)
class OwnPictures:
    """Pictures as they were read, and what would become of them.

    Attributes:
        plan: who would be private and public.
        shape: (C, H, W) that they were brought to.
        title, noun, about, licence, flips: what the new scenario would say of itself.
    """

    plan: DataPlan
    shape: Shape
    title: str
    noun: str
    about: str
    licence: str
    flips: bool

    def to_json(self) -> dict[str, Any]:
        """Return all that is to be said of it, as plain data."""
        plan = self.plan
        return {
            "pictures": len(plan.pictures),
            "layout": plan.pictures.layout.text,
            "shape": list(self.shape),
            "private": len(plan.private),
            "public": len(plan.public),
            "classes": [{"name": name, "train": train, "heldout": held} for name, train, held in plan.counts()],
            "public_classes": plan.public_names,
            "left_out": plan.pictures.left.to_json(),
            "copies": {
                kind: [[c.first, c.second, c.likeness] for c in copies]
                for kind, copies in (
                    ("repeated", plan.repeated),
                    ("filed_twice", plan.filed_twice),
                    ("leaked", plan.leaked),
                )
            },
            "too_few": plan.too_few,
            "remarks": plan.remarks(),
            "problems": plan.problems(),
        }


def bring(
    source: Path,
    *,
    public: Path | None = None,
    data_set: str | None = None,
    public_set: str | None = None,
    side: int | None = None,
    grey: bool = False,
    how: Fitting = "crop",
    classes_from: ClassesFrom = "auto",
    private: Sequence[str] | int | None = None,
    progress: Progress | None = None,
) -> OwnPictures:
    """Read pictures and say what would become of them; nothing is kept.

    Args:
        source: a folder, a zip archive, an ``.npz`` file or a data set.
        public: what the attacker has, if it lies elsewhere.
        data_set, public_set: the key of the data set of the field that either is.
        side: pixels across and down; the data set's own shape, else 64, if None.
        grey: one channel instead of three.
        private: names of the private classes, or how many; the data set's protocol if None.

    Raises:
        UsageError: it cannot be read, or the side is out of range.
        UnknownName: no such data set.
    """
    kind = DATA_SETS[data_set]() if data_set else None
    shape = shape_of(kind, side, grey)
    pictures = (
        kind.read(source, shape, how, progress) if kind else read_pictures(source, shape, how, classes_from, progress)
    )
    others = None
    if public is not None:
        other = DATA_SETS[public_set]() if public_set else None
        others = (
            other.read(public, shape, how, progress)
            if other
            else read_pictures(public, shape, how, classes_from, progress)
        )
    if private is None and kind is not None:
        private = kind.private_of(pictures) if others is None else None
    plan = plan_of(pictures, others, private=private)
    return OwnPictures(
        plan=plan,
        shape=shape,
        title=kind.title if kind else source.stem.replace("_", " "),
        noun=kind.noun if kind else "class",
        about=kind.title if kind else f"pictures of {source.name}",
        licence=kind.licence if kind else "",
        flips=kind.flips if kind else True,
    )


def shape_of(kind: DataSet | None, side: int | None, grey: bool) -> Shape:
    """Return (C, H, W) that pictures are brought to; raises `UsageError` for a side out of range."""
    if side is not None and not SIDES[0] <= side <= SIDES[1]:
        raise UsageError(f"Pictures of {side} pixels a side are not made here; {SIDES[0]} to {SIDES[1]} are.")
    channels, height, width = kind.shape if kind else (3, USUAL, USUAL)
    return (1 if grey else channels), side or height, side or width


def rows_of(plan: DataPlan, c: int, most: int = SHOWN) -> Tensor:
    """Return the first pictures of private class `c`, (n, C, H, W) in [0, 1]."""
    return plan.pictures.images[plan.private[plan.labels == c][:most]]


def public_rows(plan: DataPlan, most: int = PUBLIC_SHOWN) -> Tensor:
    """Return some public pictures from all over, (n, C, H, W) in [0, 1]."""
    at = torch.linspace(0, len(plan.public) - 1, min(most, len(plan.public))).round().long()
    return plan.public_from.images[plan.public[at]]


def strip(images: Tensor) -> bytes:
    """Return pictures (n, C, H, W) side by side as WebP."""
    return webp(images, SheetLayout(len(images), len(images), (images.shape[3], images.shape[2])))


def thumbnails(brought: OwnPictures) -> Image.Image:
    """Return one picture with a row for each private class, and rows of public pictures below."""
    plan, (_, height, width) = brought.plan, brought.shape
    rows = [
        (f"{name}: {train} to learn from, {held} held out", rows_of(plan, c))
        for c, (name, train, held) in enumerate(plan.counts()[:ROWS])
    ]
    public = public_rows(plan)
    rows += [("public" if not at else "", part) for at, part in enumerate(public.split(SHOWN)) if len(part)]
    font = ImageFont.load_default(12)
    high = CAPTION + height + GAP
    across = max(SHOWN * width, 360)
    sheet = Image.new("RGB", (across + 2 * MARGIN, len(rows) * high + 2 * MARGIN), "#ffffff")
    draw = ImageDraw.Draw(sheet)
    for at, (text, images) in enumerate(rows):
        top = MARGIN + at * high
        draw.text((MARGIN, top), text, fill="#14202b", font=font)
        sheet.paste(
            compose(images, SheetLayout(len(images), len(images), (width, height))).convert("RGB"),
            (MARGIN, top + CAPTION),
        )
    return sheet
