"""The page's own modules as one script, for a page that may load nothing.

What a report says then comes from the very modules that the live view uses. No bundler is needed for the few forms of
`import` and `export` that `assets/` has; another form is told as an error.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from workbench.core.paths import ASSETS

IMPORT = re.compile(r'^import \{([^}]*)\} from "([^"]+)";\n', re.M)
EXPORT = re.compile(r"^export ((?:async )?function|const|let|class) ([\w$]+)", re.M)


def bundled(entry: str, root: Path = ASSETS) -> str:
    """Return a module of `root`, such as ``"report/report.js"``, and all that it imports, as one classic script.

    Raises:
        ValueError: a module imports or exports in a form that is not known here.
    """
    names: dict[str, str] = {}
    parts: list[str] = []

    def add(module: str) -> str:
        if module in names:
            return names[module]
        text = (root / module).read_text()
        for what, where in IMPORT.findall(text):
            name = add(posixpath.normpath(posixpath.join(posixpath.dirname(module), where)))
            taken = re.sub(r"([\w$]+) as ([\w$]+)", r"\1: \2", what.strip().rstrip(","))
            text = text.replace(f'import {{{what}}} from "{where}";', f"const {{{taken}}} = {name};", 1)
        exports = [name for _, name in EXPORT.findall(text)]
        text = EXPORT.sub(r"\1 \2", text)
        if re.search(r"^(import|export)\b", text, re.M) or "import(" in text:
            raise ValueError(f"{module} imports or exports in a form that cannot be bundled.")
        if re.search(r"</script|<!--", text, re.I):
            raise ValueError(f"{module} holds what would end a script inside a page.")
        names[module] = f"m{len(names)}"
        parts.append(f"const {names[module]} = (() => {{\n{text}return {{{', '.join(exports)}}};\n}})();\n")
        return names[module]

    add(entry)
    return '"use strict";\n(() => {\n' + "".join(parts) + "})();\n"
