"""Changes to sounds that make training items of them: written once, for every recipe."""
