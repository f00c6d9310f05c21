"""All that a lake asks of a bucket or a folder."""
