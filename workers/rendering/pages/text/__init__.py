"""The text that a PDF carries of a page."""
