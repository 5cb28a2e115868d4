"""The plan of captures: what is captured at all, in which parts, and when a capture is void."""

import pytest

from trainables.spec import Capture
from trainables.training.acts import Act, Acts
from trainables.training.capture import PATIENCE, WARM_UPS, WORTHWHILE, Course, Plan, Turn, is_wanted, refusal


def turns(course: Course, steps: int, shape: object = "a", pattern: object = 0) -> list[Turn]:
    return [course.turn(shape, pattern) for _ in range(steps)]


def warmed() -> Course:
    course = Course()
    turns(course, WARM_UPS)
    return course


@pytest.mark.parametrize(
    ("mode", "device", "wanted"), [("auto", "cuda", True), ("never", "cuda", False), ("auto", "cpu", False)]
)
def test_steps_are_captured_on_a_gpu_where_the_study_asks_for_it(mode: Capture, device: str, wanted: bool) -> None:
    assert is_wanted(mode, device) is wanted


def test_why_nothing_is_captured_is_said() -> None:
    assert refusal(Acts(), 1) is None
    assert refusal(Acts(penalty=Act.SAME, after_step=Act.HOST), 1) is None
    assert "several processes" in str(refusal(Acts(), 2))
    assert refusal(Acts(refusal="it cannot"), 1) == "it cannot"


def test_a_penalty_or_a_run_aside_of_the_host_is_not_frozen_in_a_capture() -> None:
    assert "penalty" in str(refusal(Acts(penalty=Act.HOST), 1))
    assert "aside" in str(refusal(Acts(measure=Act.HOST), 1))
    assert refusal(Acts(measure=Act.SAME), 1) is None
    assert refusal(Acts(penalty=Act.HOST, refusal="it cannot"), 1) == "it cannot"


def test_a_step_alone_is_captured_from_gathering_its_images_to_its_masks() -> None:
    assert Plan.of(Acts(), from_tensors=True) == Plan(
        makes_batch=True, sees_batch=False, is_split=False, ends_on_host=False
    )


def test_a_step_is_cut_where_its_companion_acts_on_the_host() -> None:
    everywhere = Acts(before_forward=Act.HOST, before_step=Act.HOST, after_step=Act.HOST)
    assert Plan.of(everywhere, from_tensors=True) == Plan(
        makes_batch=False, sees_batch=True, is_split=True, ends_on_host=True
    )
    assert Plan.of(Acts(before_step=Act.SAME, after_step=Act.SAME), from_tensors=True) == Plan.of(
        Acts(), from_tensors=True
    )


def test_images_that_are_read_from_a_file_are_not_gathered_in_a_capture() -> None:
    assert not Plan.of(Acts(), from_tensors=False).makes_batch


def test_a_step_is_warmed_up_captured_once_and_replayed() -> None:
    assert turns(Course(), WARM_UPS + 3) == [*[Turn.WARM_UP] * WARM_UPS, Turn.CAPTURE, Turn.REPLAY, Turn.REPLAY]


def test_another_shape_is_warmed_up_again_another_pattern_only_captured() -> None:
    course = warmed()
    turns(course, WORTHWHILE + 1)
    assert turns(course, 2, pattern=1) == [Turn.CAPTURE, Turn.REPLAY]
    assert turns(course, WARM_UPS + 1, shape="b") == [*[Turn.WARM_UP] * WARM_UPS, Turn.CAPTURE]


def test_captures_that_are_void_at_once_are_given_up() -> None:
    course = warmed()
    seen = [course.turn("a", pattern) for pattern in range(PATIENCE + 2)]
    assert seen == [*[Turn.CAPTURE] * PATIENCE, Turn.PLAIN, Turn.PLAIN]
    assert "void" in str(course.refusal)


def test_captures_that_pay_are_made_as_often_as_it_takes() -> None:
    course = warmed()
    for pattern in range(3 * PATIENCE):
        assert Turn.PLAIN not in turns(course, WORTHWHILE + 1, pattern=pattern)


def test_what_was_given_up_is_captured_again_after_warming_up_and_counts_as_void() -> None:
    course = Course()
    for _ in range(PATIENCE):
        assert turns(course, WARM_UPS + 1) == [*[Turn.WARM_UP] * WARM_UPS, Turn.CAPTURE]
        course.forget()
    assert turns(course, WARM_UPS + 1)[-1] is Turn.PLAIN
    idle = Course()
    for _ in range(PATIENCE + 1):
        idle.forget()
    assert turns(idle, WARM_UPS + 1)[-1] is Turn.CAPTURE


def test_after_a_failure_steps_stay_plain() -> None:
    course = warmed()
    assert course.refuse("it failed") is Turn.PLAIN
    assert turns(course, 2) == [Turn.PLAIN, Turn.PLAIN]
