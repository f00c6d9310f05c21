"""Rows and files of the tables: made when documents are committed, filled later, and missed."""
