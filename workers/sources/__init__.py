"""Lists and fetches sources: local files, and objects through a cache."""
