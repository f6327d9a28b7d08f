"""How updates are summed, and what the server sees of a single one; one file a protocol."""
