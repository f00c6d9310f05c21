"""Signs that the dictionary of PP-OCR lacks: put into lines by their shape, or missed where their mates stand alone."""
