"""Signal processing on numpy arrays: no models, no devices, no threads of its own."""
