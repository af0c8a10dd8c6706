"""Sound in files: decoders, encoders, tags, recordings."""
