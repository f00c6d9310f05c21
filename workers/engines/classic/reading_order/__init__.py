"""Words to blocks, in reading order."""
