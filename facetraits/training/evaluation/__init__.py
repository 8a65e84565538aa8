"""Judging the exported files through the code that serves."""
