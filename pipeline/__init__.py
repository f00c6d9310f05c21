"""In what order, and where."""
