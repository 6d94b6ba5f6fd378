"""Rows as an array of another library than NumPy, on whatever device; which of them is in use is found out by X."""
