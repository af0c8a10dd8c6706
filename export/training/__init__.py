"""Training: the loop, what it is told, what it keeps, and how it is judged."""
