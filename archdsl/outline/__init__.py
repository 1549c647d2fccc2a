"""From a graph back to classes with parameters."""
