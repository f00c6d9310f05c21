"""One document as a typed object, and what is made of it: Markdown, HTML, JSON, CSV, pictures."""
