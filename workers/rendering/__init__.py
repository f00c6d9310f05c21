"""Renders pages in a sandbox: pixels, text layers and regions."""
