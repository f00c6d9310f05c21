"""A static folder to look at: what a run did, each page with its boxes, what to review."""
