"""Questions in SQL: what may be asked, and the process of its own that answers."""
