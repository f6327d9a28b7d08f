"""What several attribute inferences share."""
