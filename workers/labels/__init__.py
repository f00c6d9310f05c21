"""What labels say: numbers, dates, units. Words alone; nothing of pages or charts."""
