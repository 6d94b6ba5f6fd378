"""Rows: X where it lies, and sums over its rows."""
