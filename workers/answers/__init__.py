"""From an engine's completion to a typed answer."""
