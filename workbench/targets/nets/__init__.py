"""One file an architecture: plain modules, no training and no files."""
