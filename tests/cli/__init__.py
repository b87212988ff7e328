"""Claims about the command `orders`, as a user meets it: processes, exit codes, what stands where."""
