"""Parts that a run works without."""
