"""Claims about notification: what fails is recorded once, and delivered at least once under one id."""
