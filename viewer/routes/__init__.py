"""The viewer's addresses, one file for what belongs together."""
