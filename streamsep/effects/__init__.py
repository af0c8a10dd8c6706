"""Effects on voice and beat, by pedalboard; nothing here loads it before an effect is made."""
