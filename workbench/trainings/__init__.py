"""One training: what it may be, what it will take, and carrying it out."""
