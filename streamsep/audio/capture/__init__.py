"""Ways to hear what other programs play."""
