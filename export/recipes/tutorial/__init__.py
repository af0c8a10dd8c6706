"""The tutorial's network: a U-Net over frames with recurrent skips."""
