"""What several attacks share, each module named after what it does."""
