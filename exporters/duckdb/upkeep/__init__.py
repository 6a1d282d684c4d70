"""What is done to data at rest: segments become parts, small parts larger ones, old ones go."""
