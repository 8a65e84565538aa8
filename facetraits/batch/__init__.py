"""Pictures in bulk: many files through one analyzer, or through many on the machines of a Ray cluster."""
