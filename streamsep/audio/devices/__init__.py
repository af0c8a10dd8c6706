"""Sound devices: their streams, and the buffers between two clocks."""
