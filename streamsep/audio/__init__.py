"""Where sound comes from and goes to: devices, files, and a simulated pair for tests."""
