"""A live run: input, separation, microphone, recordings and output joined."""
