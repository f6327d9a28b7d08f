"""Looking at priors, targets and landscapes: what they can draw, how they answer, where a search stands."""
