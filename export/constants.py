"""What every part of export agrees on; no torch, so that ``prepare`` starts at once."""

SAMPLE_RATE = 44_100
N_FFT = 2048
HOP_LENGTH = 1024
BINS = N_FFT // 2 + 1

EXCERPT_FRAMES = 256
EXCERPT_SAMPLES = (EXCERPT_FRAMES - 1) * HOP_LENGTH  # centred: one frame more than hops
