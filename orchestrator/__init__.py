"""The sweep: Ray Tune executes, Optuna searches, the ledger remembers, MLflow shows."""
