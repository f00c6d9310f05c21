"""Makes a page's text of an answer, and compares it with the PDF's own text layer."""
