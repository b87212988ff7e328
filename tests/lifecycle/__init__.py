"""Claims about the real servers that developers and tests run: their life, and the command for it."""
