"""Charts that are drawn as vectors, read from the drawing itself: exact values, or the reason why none are given."""
