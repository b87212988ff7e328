"""Claims about alert policies: the format, what they select, what follows."""
