"""Sales files of tills, and matching them with visits."""
