"""The figures of a report as values; each is made of records alone, and says in its axes what it shows."""

from orchestrator.report.figures.colored import colored_figure as colored_figure
from orchestrator.report.figures.colored import colored_fronts as colored_fronts
from orchestrator.report.figures.colored import third_metrics as third_metrics
from orchestrator.report.figures.comparison import comparison_figure as comparison_figure
from orchestrator.report.figures.costs import cost_figure as cost_figure
from orchestrator.report.figures.curves import curves_figure as curves_figure
from orchestrator.report.figures.front import front_caption as front_caption
from orchestrator.report.figures.front import front_figure as front_figure
from orchestrator.report.figures.hypervolume import hypervolume_figure as hypervolume_figure
from orchestrator.report.figures.importance import importance_figure as importance_figure
from orchestrator.report.figures.prices import price_figure as price_figure
from orchestrator.report.figures.published import published_figure as published_figure
from orchestrator.report.figures.slices import slice_figure as slice_figure
