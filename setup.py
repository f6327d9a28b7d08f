"""What pyproject.toml cannot say: that two folders beside the package travel inside it, as `workbench.core.paths` expects."""

from setuptools import find_packages, setup

CARRIED = {"workbench._assets": "assets", "workbench._models": "models"}

setup(packages=[*find_packages(include=["workbench", "workbench.*"]), *CARRIED], package_dir=CARRIED)
