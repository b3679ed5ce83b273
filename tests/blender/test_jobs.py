"""Work in a thread can be watched and cancelled."""

import threading
from types import SimpleNamespace

import pytest

from eifer_blender.blender import jobs
from eifer_blender.blender.operators.base import JobOperator
from eifer_blender.errors import EiferError
from eifer_blender.pipeline import CancelledError


def test_a_job_gives_its_result_and_its_progress():
    def work(progress):
        progress(0.25, "a quarter")
        return 42

    job = jobs.Job(work)
    assert job.wait(10)
    assert (job.result, job.error, job.share, job.text) == (42, None, 0.25, "a quarter")


def test_a_cancelled_job_stops_at_its_next_step():
    started, go_on = threading.Event(), threading.Event()

    def work(progress):
        started.set()
        go_on.wait(10)
        progress(0.5, "half")
        return "never"

    job = jobs.Job(work)
    assert started.wait(10)
    job.cancel()
    go_on.set()
    assert job.wait(10)
    assert isinstance(job.error, CancelledError) and job.result is None


def test_an_error_of_the_work_is_kept_for_the_user():
    def work(_progress):
        raise EiferError("The file is empty.")

    job = jobs.Job(work)
    assert job.wait(10)
    assert str(job.error) == "The file is empty."


class Work(JobOperator):
    """An operator without Blender."""

    def __init__(self):
        self.reports, self.results = [], []

    def report(self, kind, text):
        self.reports.append((kind, text))

    def job_done(self, context, result):
        self.end_job(context)
        self.results.append(result)
        return {"FINISHED"}


@pytest.fixture
def context():
    """What an operator needs of a window: a timer, a cursor, a place for its progress."""
    calls = []
    manager = SimpleNamespace(
        windows=(),
        event_timer_add=lambda seconds, window: "timer",
        event_timer_remove=calls.append,
        modal_handler_add=lambda operator: None,
        progress_begin=lambda low, high: None,
        progress_update=lambda share: None,
        progress_end=lambda: calls.append("end"),
    )
    animation = SimpleNamespace(progress=0.0, progress_text="")
    scene = SimpleNamespace(eifer=SimpleNamespace(animation=animation))
    return SimpleNamespace(window_manager=manager, window=None, scene=scene, calls=calls)


def event(kind):
    return SimpleNamespace(type=kind, value="PRESS")


def run_to_the_end(work, context):
    result = {"RUNNING_MODAL"}
    while result == {"RUNNING_MODAL"}:
        work._job.wait(10)
        result = work.modal(context, event("TIMER"))
    return result


def test_an_operator_shows_the_progress_of_its_job_and_takes_the_result(context):
    def function(progress):
        progress(0.5, "half")
        return 7

    work = Work()
    assert work.start_job(context, function) == {"RUNNING_MODAL"}
    assert run_to_the_end(work, context) == {"FINISHED"}
    assert work.results == [7] and context.calls == ["timer", "end"]
    assert context.scene.eifer.animation.progress == 0.0


def test_escape_ends_an_operator_at_once_and_its_job_soon(context):
    started, go_on = threading.Event(), threading.Event()

    def function(progress):
        started.set()
        go_on.wait(10)
        progress(0.9, "nearly")
        return "never"

    work = Work()
    work.start_job(context, function)
    assert started.wait(10)
    assert work.modal(context, event("A")) == {"RUNNING_MODAL"}
    assert work.modal(context, event("ESC")) == {"CANCELLED"}
    go_on.set()
    assert work._job.wait(10) and isinstance(work._job.error, CancelledError)
    assert work.results == [] and context.calls == ["timer", "end"]


def test_an_error_in_the_job_is_reported_in_its_sentence(context):
    def function(_progress):
        raise EiferError("The file is empty.")

    work = Work()
    work.start_job(context, function)
    assert run_to_the_end(work, context) == {"CANCELLED"}
    assert work.reports == [({"ERROR"}, "The file is empty.")] and context.calls == ["timer", "end"]


def test_the_window_can_be_used_while_a_file_is_opened(context):
    class Open(Work):
        passes = None

    work = Open()
    work.start_job(context, lambda progress: 1)
    assert work.modal(context, event("LEFTMOUSE")) == {"PASS_THROUGH"}
    assert run_to_the_end(work, context) == {"FINISHED"}


def test_leaving_the_file_browser_before_any_job_is_no_error(context):
    Work().cancel(context)


def test_loading_a_file_ends_the_job_of_an_operator(context):
    started, go_on = threading.Event(), threading.Event()

    def function(progress):
        started.set()
        go_on.wait(10)
        progress(0.9, "nearly")

    work = Work()
    work.start_job(context, function)
    assert started.wait(10)
    work.cancel(context)
    go_on.set()
    assert work._job.wait(10) and isinstance(work._job.error, CancelledError)
