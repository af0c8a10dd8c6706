"""Control from outside: one protocol for phones, the screen on the wall, and scripts."""
