"""Commands of the command line, by subject, and what they share. Nothing here is public."""
