"""Ray: runs what the sweep hands out, on this machine or on a cluster. Nothing here is public."""
