"""The networks of finished trials: loaded without their data, and exported as files that run without espalier."""

from typing import TYPE_CHECKING

from trainables.faces import lazily

if TYPE_CHECKING:
    from orchestrator.networks.loading import TrainedNetwork as TrainedNetwork
    from orchestrator.networks.loading import load as load
    from orchestrator.networks.loading import load_file as load_file
    from orchestrator.networks.trial_export import TrialExport as TrialExport
    from orchestrator.networks.trial_export import export as export

__getattr__ = lazily(__name__, loading="TrainedNetwork load load_file", trial_export="TrialExport export")
