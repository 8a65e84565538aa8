"""Evaluation of the exported files with the serving code."""
