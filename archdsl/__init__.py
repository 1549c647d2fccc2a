"""archdsl: a declarative compiler for neural-network architectures."""
