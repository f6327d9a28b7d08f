"""One file a tab; each registers itself with ``@tab``."""
