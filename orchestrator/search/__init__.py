"""What is tried next, and which unfinished trials go on: samplers, rungs, prospects. Nothing here is public."""
