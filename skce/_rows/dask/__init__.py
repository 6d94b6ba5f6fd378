"""Rows on Dask: the only importer of Dask; nothing is imported here, so that skce is imported without it."""
