"""What a running session looks like in a terminal."""
