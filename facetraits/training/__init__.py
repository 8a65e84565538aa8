"""How the networks are made: read, prepare, train, export, judge. Nothing that serves imports this."""
