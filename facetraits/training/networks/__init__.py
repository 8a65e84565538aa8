"""The networks: architectures, first weights, export."""
