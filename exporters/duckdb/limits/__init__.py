"""How large and how old a store may grow, what goes first, and who is started to see to it.

Everything here is light: the recorder asks it in the traced program, so it loads no DuckDB.
"""
