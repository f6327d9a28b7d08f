"""Training under differential privacy; one file a mechanism."""
