"""One function per command; `pipeline.cli` gives them their names."""
