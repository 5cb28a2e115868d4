"""MLflow and the Parquet table follow the ledger. Nothing here is public."""
