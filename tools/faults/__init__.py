"""What tools/chaos.py puts around a live run, does to it, and judges of it."""
