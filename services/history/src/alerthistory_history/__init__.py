"""The history service: every alert ever seen, what is true now, and what changed."""
