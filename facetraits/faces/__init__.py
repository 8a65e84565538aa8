"""From a picture file to upright crops of its faces, and boxes drawn on it."""
