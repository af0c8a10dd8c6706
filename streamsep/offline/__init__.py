"""Separation of whole files, faster than they play."""
