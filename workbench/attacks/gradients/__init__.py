"""Attacks on what a participant sends; one file a method."""
