"""Attacks on a network that is cut in two: one picture is recovered from what a hidden layer answered of it.

One file a method, as in the package around it, and in the same registry; what several share lies in `parts`.
"""
