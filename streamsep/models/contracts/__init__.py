"""What model files of other makers don't say about themselves."""
