"""What several attacks on a hidden layer share."""
