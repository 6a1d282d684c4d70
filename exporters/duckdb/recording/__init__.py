"""The traced program's side: from a span to a line on disk, without DuckDB."""
