"""Claims about the warehouse file and its published copies, with readers in other processes."""
