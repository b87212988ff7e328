"""Claims about the landing folder and LAND, on a real inbox."""
