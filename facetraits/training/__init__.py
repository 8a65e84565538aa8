"""Training: read, prepare, train, export, evaluate. Serving code does not import this package."""
