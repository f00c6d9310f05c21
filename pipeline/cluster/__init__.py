"""Which Ray a run uses."""
