"""Spleeter's two-stem U-Net: taken from its package, taught further, exported."""
