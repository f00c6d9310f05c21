"""Turns an engine's completion into a typed answer."""
