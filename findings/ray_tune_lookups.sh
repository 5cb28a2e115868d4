#!/usr/bin/env bash
# Ray Tune asks the cluster's control store five times for each trial what its trainable is.
#
# Good guess: a trainable is registered once for an experiment and looked up once; making a further trial costs no round
# trip to the cluster. Seen: each trial that a Searcher suggests reads the registry from the control store when it is
# checked, and the pickled class twice more, all in the loop that serves every trial: about 4 ms for trials that take 20.
# espalier hands Tune trials that know their class. Exits with 1 if it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "ray[tune]==2.60.0"
RAY_TMPDIR="$folder" FOLDER="$folder" "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import os
import sys

import ray
from ray import tune
from ray.tune import registry
from ray.tune.search import Searcher

read, lookups = registry._internal_kv_get, []
registry._internal_kv_get = lambda key: lookups.append(key) or read(key)


class Halves(Searcher):
    def suggest(self, trial_id):
        return {"x": 0.5}

    def on_trial_complete(self, trial_id, result=None, error=False):
        pass

    def save(self, checkpoint_path):
        pass

    def restore(self, checkpoint_path):
        pass


def trainable(config):
    tune.report({"loss": config["x"]})


def lookups_of(trials):
    lookups.clear()
    tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(search_alg=Halves(metric="loss", mode="min"), num_samples=trials, reuse_actors=True),
        run_config=tune.RunConfig(storage_path=os.environ["FOLDER"], name=f"of-{trials}", verbose=0),
    ).fit()
    return len(lookups)


ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
each = (lookups_of(6) - lookups_of(3)) / 3
print(f"ray {ray.__version__}")
print("guess: 0 lookups for each further trial")
print(f"seen:  {each:g}")
sys.exit(0 if each == 5 else 1)
PYTHON
