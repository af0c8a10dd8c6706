"""How well a model separates songs whose stems are known, beside what else one could do."""
