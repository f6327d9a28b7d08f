"""Tables of a report's page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numeric: bool = False) -> str:
    """Return a table; cells are text and are escaped here. With `numeric` all but the first column are numbers."""
    kind = ' class="num"' if numeric else ""
    titles = "".join(f"<th{kind if i else ''}>{escape(title)}</th>" for i, title in enumerate(head))
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>' + "".join(f"<td{kind}>{escape(c)}</td>" for c in row[1:]) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'
