"""What is tried next, and which unfinished trials continue: samplers, rungs, prospects. Nothing here is public."""
