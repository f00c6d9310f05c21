"""`pagefold watch`: runs that start after events or after a while."""
