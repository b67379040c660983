"""The Python client of agenticd."""
