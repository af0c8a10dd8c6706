"""The built-in models of streamsep, which finds them here: `streamsep models list`.

MODEL_CARD.md says where they come from, what they are bad at and under which licence they are.
"""
