"""How fast archdsl is, as ratios to its peers in one run: `python -m benchmarks`."""
