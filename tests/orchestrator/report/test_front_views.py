"""Among which views of a front a reader chooses."""

from orchestrator.report.front_views import front_views
from tests.orchestrator import small


def test_a_study_that_asks_for_seeds_shows_means_first_and_single_trials_after_them() -> None:
    views = front_views(small.study(trials=10, search={"seeds": 5}))
    assert [(view.by_mean, view.closely) for view in views] == [
        (True, True),
        (True, False),
        (False, True),
        (False, False),
    ]
    assert len({view.caption for view in views}) == 4
    assert "means over seeds" in views[0].caption
    assert not any(view.by_mean for view in front_views(small.study(trials=10)))
