"""Work in a thread can be watched and cancelled."""

import threading

from eifer_blender.blender import jobs
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
