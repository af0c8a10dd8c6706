"""The live model: a causal U-Net over frequency that answers every hop at once."""
