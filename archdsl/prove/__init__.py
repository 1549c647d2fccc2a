"""Two graphs run and compared."""
