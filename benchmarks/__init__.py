"""Measurements of the AT engine and of transfers through simulated modules: `python -m benchmarks`."""
