"""The operations that a lake needs from a bucket or a folder."""
