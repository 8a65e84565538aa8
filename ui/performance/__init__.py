"""The page Model performance."""
