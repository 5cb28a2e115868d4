"""Auto-Train-Once: its phases, and when its trials can be compared."""

import pytest

from trainables.errors import InfeasibleTrial, InvalidValue
from trainables.paradigms.auto_train_once import AutoTrainOnce
from trainables.recipes.in_training import ControlGates
from trainables.recipes.recipe import Prune, Remove, Train


def test_one_training_and_removal_are_all() -> None:
    training, removal = AutoTrainOnce(target_macs=0.3, strength=2.0, final_strength=20.0, updates=7).recipe(10)
    final = Prune(1.0, granularity="filter", macs=0.3)
    assert training == Train(10, during=ControlGates(final, updates=7, strengths=(2.0, 20.0)))
    assert removal == Remove()


def test_finetuning_can_be_asked_for() -> None:
    training, _, tail = AutoTrainOnce(finetune=0.4, finetune_lr=0.2).recipe(10)
    assert isinstance(training, Train)
    assert training.epochs == 6
    assert tail == Train(4, lr_scale=0.2)


def test_a_trial_is_judged_after_the_first_epoch_with_the_final_mask() -> None:
    assert AutoTrainOnce(freeze=0.5).judged_from(10) == 6 / 10
    assert AutoTrainOnce(freeze=0.99).judged_from(4) == 4 / 4


@pytest.mark.parametrize(("epochs", "finetune"), [(1, 0.0), (2, 0.5)])
def test_the_controller_and_the_final_mask_need_an_epoch_each(epochs: int, finetune: float) -> None:
    with pytest.raises(InfeasibleTrial, match="need one each"):
        AutoTrainOnce(finetune=finetune).recipe(epochs)


def test_the_controller_begins_before_its_end() -> None:
    with pytest.raises(InvalidValue, match=r"start = 0\.6: must be below freeze = 0\.5"):
        AutoTrainOnce(start=0.6)
