"""`pagefold optimize`: committed files are joined into few sorted ones, in the exactly-once way of commits."""
