"""Whether a pruned network is as good as the dense one: what is measured of finished networks, beyond accuracy.

Images are corrupted here, networks attacked and compared; `orchestrator.evaluation` decides which, and keeps the rows.
"""
