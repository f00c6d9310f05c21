"""What is done: plain Python, importable and testable without Ray."""
