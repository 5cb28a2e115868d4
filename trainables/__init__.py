"""One pruning trial: data, model, recipe, training, removal, evaluation.

Knows torch and nothing of the sweep around it: no module in here imports ray, optuna or mlflow.
"""
