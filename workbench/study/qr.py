"""A link as a picture that a phone's camera reads."""

from __future__ import annotations

import io

import segno


def qr_svg(text: str) -> bytes:
    """Return a QR code as SVG, black on white with its quiet zone whatever the page's colours: cameras want it so."""
    held = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        held, kind="svg", scale=4, border=4, dark="#000", light="#fff", xmldecl=False
    )
    return held.getvalue()
