"""Sales as tills export them, and the visits that they belong to."""
