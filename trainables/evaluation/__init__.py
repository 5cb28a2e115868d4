"""Whether a pruned network is as good as the dense one: what is measured of finished networks, beyond accuracy.

Networks are attacked and compared here; `orchestrator.evaluation` decides which, and keeps the rows.
"""
