"""Lines of text: what they say, how they join, and the marks and numbers before them."""
