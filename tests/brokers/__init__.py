"""What brokers promise: one contract for all, and what each has of its own."""
