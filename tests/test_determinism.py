"""Determinism is asked of torch while a run goes, and of nobody else."""

from __future__ import annotations

import pytest
import torch

from workbench.engine.determinism import deterministic


def failing_run() -> None:
    with deterministic():
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        raise RuntimeError("it failed")


@pytest.mark.parametrize("before", [False, True])
def test_the_switch_is_put_back_however_a_run_ends(before):
    torch.use_deterministic_algorithms(before)
    try:
        with pytest.raises(RuntimeError, match="it failed"):
            failing_run()
        assert torch.are_deterministic_algorithms_enabled() is before
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
