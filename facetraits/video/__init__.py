"""Videos and cameras: frames, who is who in them, and one steady answer per person."""
