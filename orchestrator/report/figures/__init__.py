"""The figures of a report, in plotly; each is made of records alone, and says in its axes what it shows."""

from orchestrator.report.figures.curves import curves_figure as curves_figure
from orchestrator.report.figures.front import front_figure as front_figure
from orchestrator.report.figures.hyperparameters import hyperparameter_figure as hyperparameter_figure
from orchestrator.report.figures.hypervolume import hypervolume_figure as hypervolume_figure
