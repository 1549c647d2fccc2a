"""Rewrites of a graph that carry its weights and say what they promise."""
