"""Workers and web servers as real processes, and what happened in them."""
