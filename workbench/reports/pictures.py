"""A picture of a run to take away: a labelled sheet that carries its own settings."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from workbench.core.errors import StoreError
from workbench.runs.picture_text import picture_text
from workbench.runs.run_folder import RunFolder

TILE, GAP, CAPTION, MARGIN, HEAD = 112, 6, 22, 20, 64  # pixels
INK, PAPER, QUIET = "#14202b", "#ffffff", "#46535f"


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def picture(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def tile(sheet: Image.Image | None, scene: dict[str, Any], i: int) -> Image.Image | None:
    """Return candidate `i` cut out of a contact sheet."""
    if sheet is None:
        return None
    columns, (w, h) = scene["sheet"]["columns"], scene["sheet"]["tile"]
    x, y = i % columns * w, i // columns * h
    return sheet.crop((x, y, x + w, y + h)).resize((TILE, TILE), Image.Resampling.BICUBIC)


def optional(folder: RunFolder, name: str) -> Image.Image | None:
    path = folder.path / name
    return picture(path.read_bytes()) if path.is_file() else None


def describe(manifest: dict[str, Any]) -> str:
    config = manifest["config"]
    defended = "" if config["defense"] == "none" else f", {config['defense']}"
    return f"{config['attack']} on {config['scenario']}/{config['target']}{defended}, seed {config['seed']}"


def page(folder: RunFolder, frame: int, columns: int | None = None) -> Image.Image:
    """Return true image and reconstruction of every candidate side by side, captioned."""
    manifest, scene = folder.manifest(), folder.scene()
    candidates, truth, sheet = scene["candidates"], optional(folder, "truth.webp"), picture(folder.sheet(frame))
    across = columns or max(3, min(len(candidates), round((len(candidates) * 0.8) ** 0.5)))
    wide, high = 2 * TILE + 2 * GAP + GAP, TILE + CAPTION + 2 * GAP
    down = -(-len(candidates) // across)
    whole = Image.new("RGB", (2 * MARGIN + across * wide, HEAD + MARGIN + down * high + 2 * GAP), PAPER)
    draw = ImageDraw.Draw(whole)
    draw.text((MARGIN, 14), describe(manifest), fill=INK, font=font(18))
    draw.text(
        (MARGIN, 38),
        f"left: private image, right: reconstruction   ·   {folder.id}, frame {frame}",
        fill=QUIET,
        font=font(13),
    )
    for i, candidate in enumerate(candidates):
        x, y = MARGIN + i % across * wide, HEAD + i // across * high
        for column, source in enumerate((truth, sheet)):
            if (image := tile(source, scene, i)) is not None:
                whole.paste(image, (x + column * (TILE + GAP // 2), y))
        label = candidate["label"] + (f", try {candidate['restart'] + 1}" if candidate["restart"] else "")
        draw.text((x, y + TILE + 3), label, fill=INK, font=font(14))
    return whole


def last_frame(folder: RunFolder) -> int:
    frame = folder.latest()
    if frame is None:
        raise StoreError(f"Run {folder.id} has no frame yet.")
    return frame


def contact_sheet(folder: RunFolder) -> bytes:
    """Return the last frame as a labelled PNG whose text chunk holds the run's configuration."""
    held = io.BytesIO()
    page(folder, last_frame(folder)).save(held, "PNG", pnginfo=picture_text(folder.manifest()))
    return held.getvalue()
