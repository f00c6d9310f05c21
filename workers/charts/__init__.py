"""A chart's data."""
