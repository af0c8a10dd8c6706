"""The networks that can be trained, a package each."""
