"""One model of two parties who hold different columns of the same records."""
