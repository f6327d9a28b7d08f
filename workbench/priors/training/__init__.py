"""Training priors: the loop and its trainers."""
