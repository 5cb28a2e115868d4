"""Syne Tune on the trials of `orchestration.py`, which do nothing, for a Python that has it: ``pip install syne-tune``.

    python benchmarks/syne_tune_stub.py --trials 100 --workers 2

Random search on the local backend as it comes, but for waiting: it looks for free workers every 0.1 s, not every 5 s.
Prints the seconds to the last report and of the whole call as JSON. Called with a configuration, it is a trial.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time


def trial(sparsity: float) -> None:
    from syne_tune import Reporter

    Reporter()(epoch=1, fidelity=1.0, loss=1.0, macs=sparsity, error=0.5)


def sweep(trials: int, workers: int, folder: str) -> dict[str, float]:
    os.environ["SYNETUNE_FOLDER"] = folder  # read when it is imported
    from syne_tune import StoppingCriterion, Tuner
    from syne_tune.backend import LocalBackend
    from syne_tune.config_space import choice, loguniform, uniform
    from syne_tune.optimizer.baselines import RandomSearch
    from syne_tune.tuner_callback import TunerCallback

    class Stopwatch(TunerCallback):  # type: ignore[misc]  # syne-tune has no types
        def on_trial_complete(self, *_: object, **__: object) -> None:
            self.last = time.time()

    space = {
        "granularity": choice(["weight", "filter"]),
        "sparsity": uniform(0.3, 0.98),
        "criterion": choice(["magnitude", "l2"]),
        "scope": choice(["global", "layer"]),
        "schedule": choice(["one_shot", "iterative", "gradual"]),
        "finetune": uniform(0.2, 0.7),
        "finetune_lr": loguniform(0.05, 1.0),
    }
    watch = Stopwatch()
    tuner = Tuner(
        trial_backend=LocalBackend(__file__),
        scheduler=RandomSearch(space, metrics=["error"]),
        stop_criterion=StoppingCriterion(max_num_trials_completed=trials),
        n_workers=workers,
        sleep_time=0.1,
        callbacks=[watch],
        save_tuner=False,
    )
    begun = time.time()
    tuner.run()
    ended = time.time()
    return {"sweep": watch.last - begun, "call": ended - begun}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--sparsity", type=float, help=argparse.SUPPRESS)
    options, _ = parser.parse_known_args()
    if options.sparsity is not None:
        trial(options.sparsity)
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),  # it leaves a std.out where it runs
        contextlib.redirect_stdout(sys.stderr),
    ):
        seconds = sweep(options.trials, options.workers, folder)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
