"""What the attacker already knows: image models trained on public data only. One file each."""

from workbench.priors.base import PRIORS, Prior, load_prior, prior

__all__ = ["PRIORS", "Prior", "load_prior", "prior"]
