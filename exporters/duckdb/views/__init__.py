"""The catalog file and what SQL sees: views, macros, prices, and their versions."""
