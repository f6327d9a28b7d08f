"""Networks as others publish them: built here by name, so that their weights can be brought."""

from workbench.targets.published.base import NETS, NetInfo, build, published

__all__ = ["NETS", "NetInfo", "build", "published"]
