"""Keeps MLflow and the Parquet table up to date with the ledger. Nothing here is public."""
