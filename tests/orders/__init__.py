"""Claims about LOAD, dead letters, rebuilding and verifying, on a real warehouse."""
