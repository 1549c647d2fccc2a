"""Tree to Program."""
