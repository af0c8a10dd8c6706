"""Separation of a catalogue by many machines: songs and stems in stores, workers in a cluster."""
