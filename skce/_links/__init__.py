"""Links: the kinds of problem that a fit can be, a file each."""
