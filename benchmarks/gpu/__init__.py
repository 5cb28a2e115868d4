"""Measurements that want an accelerator; each needs this repository and a folder with the data, nothing else."""
