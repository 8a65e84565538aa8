"""The data sets: read, divided, prepared as crops with targets."""
