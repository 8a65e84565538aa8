"""Videos and cameras: frames, tracking, and one smoothed answer per person."""
