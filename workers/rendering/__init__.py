"""Pages as pixels, text and regions."""
