"""What reaches the database."""
