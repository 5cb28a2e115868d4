"""What the command line shows: the live table, fronts, comparisons. Nothing here is public."""
