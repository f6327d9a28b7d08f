"""Which recorded frames leave a run, where all of them would be too many or too large."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.runs.run_folder import RunFolder


def thinned(numbers: Sequence[int], most: int) -> list[int]:
    """Return at most `most` of the numbers, evenly apart, the first and the last among them.

    >>> thinned(range(10), 4)
    [0, 3, 6, 9]
    """
    if len(numbers) <= most:
        return list(numbers)
    if most < 2:
        return [numbers[-1]]
    return [numbers[round(i * (len(numbers) - 1) / (most - 1))] for i in range(most)]


def sheets_within(folder: RunFolder, most: int, limit: int) -> list[tuple[int, bytes]]:
    """Return (number, picture) of recorded frames, evenly apart: at most `most` and together at most `limit` bytes.

    The last one is always there, whatever its size; frames without a picture are passed over.
    """
    drawn = [n for n in folder.frames() if folder.has_sheet(n)]
    chosen = thinned(drawn, most)
    while True:
        held = [(n, folder.sheet(n)) for n in chosen]
        size = sum(len(data) for _, data in held)
        if size <= limit or len(chosen) <= 1:
            return held
        chosen = thinned(chosen, min(len(chosen) - 1, max(1, len(chosen) * limit // size)))
