"""How the database came to be as it is: one module per version."""
