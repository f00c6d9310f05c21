"""Answers in the forms that other models were trained for, as the typed answer of a page."""
