"""The page "Inside the CNN"."""
