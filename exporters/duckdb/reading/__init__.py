"""How the page and the commands read: where everything is, and the rows that are asked for."""
