"""What happens inside the networks: their layers, feature maps, heat-maps, and what confuses them."""
