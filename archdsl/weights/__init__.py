"""Named arrays by path."""
