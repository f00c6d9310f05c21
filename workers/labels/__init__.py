"""Reads labels as numbers, dates and units. It knows words only, and nothing of pages or charts."""
