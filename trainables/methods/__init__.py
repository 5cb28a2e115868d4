"""What carries pruning out: at once, along a schedule, by rewiring, scores, thresholds, penalties."""
