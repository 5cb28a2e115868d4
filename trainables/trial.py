"""One trial, from its spec to the measured final network."""

from dataclasses import replace
from functools import partial

from trainables import checkpoint, data, paradigms, parallel
from trainables.context import Context, Report
from trainables.evaluation.ensemble import measure_ensemble
from trainables.evaluation.instance_latency import latency_by_image
from trainables.evaluation.instance_macs import measure_instances
from trainables.evaluation.on_validation import measure_on_images
from trainables.evaluation.settling import measure_settling
from trainables.masking.collapse import connectivity, warn_of_collapse
from trainables.masking.packed_blocks import stored_bits
from trainables.methods.smaller_start import SharesOfDense
from trainables.metrics import ALWAYS, find, is_function
from trainables.recipes.effort import effort
from trainables.recipes.recipe import Recipe
from trainables.runner import evaluate_on, require_learnable, run_recipe
from trainables.shared_training import SharedTraining
from trainables.spec import TrialSpec
from trainables.state import LiveTrial
from trainables.structure.complexity import Complexity, latency, measure
from trainables.structure.instance_gates import gates_of
from trainables.structure.own_metric import measure_by
from trainables.structure.start import start_of
from trainables.training.epoch import FLOPS_PER_MAC
from trainables.training.quality import QUALITIES, measure_qualities
from trainables.training.training import Evaluation


def run_trial(spec: TrialSpec, context: Context) -> None:
    """Train and prune one network as its paradigm says; report every epoch, the last one with all measurements.

    A pure function of `spec` and of what `context` restores: the same spec gives the same reports on CPU, whether
    or not the trial was interrupted. Where `torch.distributed` is initialised its processes train one network together,
    each by calling this with the same spec; see `parallel.py`. Raises InvalidValue or InfeasibleTrial for
    hyper-parameters that cannot be used, TrainingDiverged, NotSettled, RemovalMismatch, and whatever a third-party
    paradigm raises.
    """
    paradigm = paradigms.find(spec.paradigm).create(spec.hyperparameters)
    spec, recipe = replace(spec, model=paradigm.network(spec.model)), paradigm.recipe(spec.epochs)
    dataset = data.load(spec.data, context.cache).placed(context.device, spec.data.memory)
    folder = context.restore()
    trial = LiveTrial(spec, dataset, context, start_of if folder is None else lambda _: checkpoint.start_in(folder))
    shares = SharesOfDense(trial)
    recipe = shares.recipe(recipe)
    shared = SharedTraining.of(recipe, trial)
    if folder is not None:
        checkpoint.restore(trial, folder)
    elif spec.model.weights is not None:
        trial.adopt_weights()
    if shared is not None:
        shared.carry_out(recipe, trial)
    with shares.in_errors():
        run_recipe(recipe, trial)
    measure_ensemble(trial)
    measure_settling(trial)
    trial.measured |= effort(recipe).as_metrics()
    context.report(final_report(recipe, trial), partial(checkpoint.save, trial))


def final_report(recipe: Recipe, trial: LiveTrial) -> Report:
    """Return the trial's last report: that of the last epoch with everything measured on the final network.

    A trial that had finished its training before it was resumed repeats the report of its last epoch.
    """
    metrics, last = measure_final(trial), trial.last_report
    require_learnable(metrics["loss"], "validation loss of the final network", recipe, trial)
    return Report(
        epoch=max(1, trial.position.reports),
        fidelity=1.0,
        stage=last.stage if last else type(recipe[-1]).__name__.lower(),
        accuracy=metrics.get("accuracy"),
        loss=metrics["loss"],
        train_loss=last.train_loss if last else None,
        learning_rate=last.learning_rate if last else None,
        seconds=last.seconds if last else 0.0,
        macs_projected=metrics["macs"],
        params_projected=metrics["params"],
        usage=last.usage if last else None,
        qualities={name: metrics[name] for name in trial.task.metrics if name != "accuracy"},
        metrics=metrics,
    )


def measure_final(trial: LiveTrial) -> dict[str, float]:
    """Measure the final network.

    The task's metrics, as `accuracy`, and `loss` are of the validation split, on which selection rests; those of the
    test split are named so. `macs` and `params` are the effective ones: what is masked is not counted, what is
    removed is not there; where gates choose channels image by image, `macs` are the mean over the validation split.
    `train_cost` is the MACs of training as a share of those of the dense network for the whole budget, each epoch
    priced by what is alive at its end (the convention of Evci et al. 2020, arXiv 1911.11134, for the forward pass), and
    without the images that a method holds out.
    `train_flops` are the same without reference to a network; what an epoch cost that was not trained by
    back-propagation is what its method counts. `train_seconds` is the wall time of the trial's own epochs.
    """
    unpruned = trial.place(trial.build())
    dense, alive = measure(unpruned, trial.dataset.input_shape), trial.cost()
    connected = connectivity(trial.model, unpruned, trial.dataset.input_shape)
    warn_of_collapse(connected)
    by_image = measure_instances(trial)
    keep = bool(_asked(trial))
    validation, test = (evaluate_on(trial, split, keep_logits=keep) for split in ("validation", "test"))
    metrics = {
        **_on_splits(validation, test),
        **_complexity(trial, dense, alive),
        **_training_cost(trial, dense),
        **by_image,
        **_multiplications(by_image.get("macs", alive.macs), trial),
        **connected.metrics(),
        **trial.measured,
        **_ensemble_cost(trial, by_image.get("macs", alive.macs)),
        **_qualities(trial, validation, test),
        **measure_on_images(trial),
        **_measured_on_request(trial),
    }
    return {name: float(value) for name, value in metrics.items()}


def _on_splits(validation: Evaluation, test: Evaluation) -> dict[str, float]:
    return {
        **validation.metrics,
        "loss": validation.loss,
        **{f"test_{name}": value for name, value in test.metrics.items()},
        "test_loss": test.loss,
    }


def _complexity(trial: LiveTrial, dense: Complexity, alive: Complexity) -> dict[str, float]:
    physical = measure(trial.model, trial.dataset.input_shape)
    return {
        "macs": alive.macs,
        "params": alive.params,
        "macs_dense": dense.macs,
        "macs_effective": alive.macs,
        "macs_physical": physical.macs,
        "params_dense": dense.params,
        "params_effective": alive.params,
        "params_physical": physical.params,
        "bytes": physical.bytes,
        "sparsity": _sparsity(trial, alive.params / dense.params),
    }


def _training_cost(trial: LiveTrial, dense: Complexity) -> dict[str, float]:
    return {
        "total_epochs": trial.position.trained,
        "train_cost": trial.position.macs / (dense.macs * trial.spec.epochs),
        "train_flops": FLOPS_PER_MAC * trial.position.macs * len(trial.dataset.train),
        "train_seconds": 0.0,
    }


def _sparsity(trial: LiveTrial, left: float) -> float:
    """Return the share of the dense network's parameters that is gone, of which the share `left` is alive.

    It is below 0 for a network that has grown. Gates for each image add parameters without growing what they gate.
    """
    return 1 - left if gates_of(trial.model) is None else max(0.0, 1 - left)


def _multiplications(macs: float, trial: LiveTrial) -> dict[str, float]:
    """Return what is multiplied for an image and, if the study names it, what is stored.

    A network without unified blocks, whose training counts them, multiplies once for each MAC.
    """
    if "stored_bits" not in trial.spec.objectives:
        return {"mults": macs}
    return {"mults": macs, "stored_bits": stored_bits(trial.model.parameters())}


def _ensemble_cost(trial: LiveTrial, macs: float) -> dict[str, float]:
    """Return the MACs of an ensemble, which every member costs again; nothing without one."""
    return {"ensemble_macs": macs * members} if (members := trial.measured.get("ensemble_members")) else {}


def _asked(trial: LiveTrial) -> list[str]:
    """Return what is measured from the outputs of whole splits: of classes always how good their probabilities are."""
    named = (*ALWAYS, *trial.spec.objectives)
    return [name for name in named if name in QUALITIES and trial.spec.task in find(name).tasks]


def _qualities(trial: LiveTrial, validation: Evaluation, test: Evaluation) -> dict[str, float]:
    """Return likelihood, calibration and what the study names: of validation, and of test as ``test_<name>``."""
    if validation.logits is None or test.logits is None:
        return {}
    asked, data = _asked(trial), trial.dataset
    shown = measure_qualities(asked, test.logits, data.test.labels)
    selects = measure_qualities(asked, validation.logits, data.validation.labels)
    return {**selects, **{f"test_{name}": value for name, value in shown.items()}}


def _measured_on_request(trial: LiveTrial) -> dict[str, float]:
    """Measure what only a study pays for that names it, in one process: the others would disturb it.

    Where a budget limited latency it is measured too, to be seen beside what the budget's table foretold.
    """
    if parallel.rank() != 0:
        return {}
    shape, asked = trial.dataset.input_shape, trial.spec.objectives
    own = {name: measure_by(name, trial.model, shape) for name in asked if is_function(name)}
    if "latency" not in asked and trial.layer_times is None:
        return own
    how = trial.spec.latency
    device = trial.context.device if how.device == "trial" else how.device
    if how.batch == 1 and gates_of(trial.model) is not None:
        return own | latency_by_image(trial, device)
    return {**own, "latency": latency(trial.model, shape, batch=how.batch, device=device)}
