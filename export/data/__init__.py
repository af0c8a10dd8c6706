"""Songs on disk: sources, the prepared folder, excerpts of it, and mixes of those."""
