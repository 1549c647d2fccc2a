"""What operations are."""
