"""Visits to a shop: counted from tracked faces, kept in a database without any face, and the patterns among them."""
