"""What lies in the output."""
