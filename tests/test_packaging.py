"""What is installed and what is tracked: the wheel carries the dashboard, the ranges admit what was tested, the tree is clean."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import fimcore
import fimcore.estimators
import fimcore.fisher
import fimcore.meanfield
import fimcore.training
from fimcore.places import app_script, assets_folder

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LARGEST_FILE = 1_000_000
TEXT = {".py", ".md", ".toml", ".txt", ".json", ".js", ".css", ".html", ".svg", ".cff", ".yml", ".yaml", ""}
# built up, so that this file does not contain what it looks for
PATHS_OF_A_MACHINE = re.compile(
    "(?<![\\w.])/(" + "|".join(["ho" + "me", "ro" + "ot", "Us" + "ers", "wo" + "rk", "o" + "pt"]) + ")/\\w"
)


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def content(wheel) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_whole_dashboard(content):
    for folder, inside in (("app", "fimcore/_app"), ("assets", "fimcore/_app/assets"), ("fimcore", "fimcore")):
        files = [path.relative_to(ROOT / folder) for path in tracked() if path.is_relative_to(ROOT / folder)]
        assert files, folder
        assert not {f"{inside}/{path.as_posix()}" for path in files} - content
    assert {"fimcore/_app/main.py", "fimcore/_app/.streamlit/config.toml", "fimcore/py.typed"} <= content
    assert {Path(name).suffix for name in content} >= {".js", ".css", ".html", ".toml", ".png", ".json"}


def test_the_wheel_holds_nothing_else(content):
    assert {name.split("/")[0] for name in content} == {"fimcore", f"fimcore-{PROJECT['version']}.dist-info"}
    assert not [name for name in content if "__pycache__" in name or "/tests/" in name]


def test_the_wheel_runs_from_any_folder(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    program = "from fimcore.places import *; print(app_script()); print(assets_folder())"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); {program}"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.split()
    assert [Path(line).relative_to(tmp_path / "site").as_posix() for line in shown] == [
        "fimcore/_app/main.py",
        "fimcore/_app/assets",
    ]


def test_a_checkout_finds_its_own_folders():
    assert app_script() == ROOT / "app" / "main.py"
    assert assets_folder() == ROOT / "assets"


def test_torch_2_13_0_is_the_newest_admitted():
    torch = next(need for need in map(Requirement, PROJECT["dependencies"]) if need.name == "torch")
    for admitted in ("2.6.0", "2.13.0", "2.13.0+cpu"):
        assert torch.specifier.contains(Version(admitted)), admitted
    for refused in ("2.5.1", "2.13.1", "2.14.0", "3.0.0"):
        assert not torch.specifier.contains(Version(refused)), refused


def test_the_dashboard_comes_with_a_plain_install():
    assert {"streamlit", "plotly", "torch", "pandas", "numpy"} <= {
        Requirement(need).name for need in PROJECT["dependencies"]
    }
    assert PROJECT["scripts"] == {"fimcore": "fimcore.cli:main"}


def test_every_constraint_is_in_range_and_carries_no_local_tag():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    frozen = {need.name.lower().replace("_", "-"): need for need in map(Requirement, lines)}
    wanted = [
        *PROJECT["dependencies"],
        *(need for group in PROJECT["optional-dependencies"].values() for need in group),
    ]
    for need in map(Requirement, wanted):
        version = next(iter(frozen[need.name].specifier)).version
        assert need.specifier.contains(version), f"{need} is frozen at {version}"
    assert not [line for line in lines if "+" in line or "@" in line or ":" in line]


def test_one_version_everywhere():
    assert fimcore.__version__ == PROJECT["version"]
    assert f"version: {PROJECT['version']}" in (ROOT / "CITATION.cff").read_text()


def test_no_tracked_file_is_large():
    assert not [path for path in tracked() if path.stat().st_size > LARGEST_FILE]


def test_no_text_contains_a_path_of_somebodys_machine():
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked()
        if path.suffix in TEXT
        for match in PATHS_OF_A_MACHINE.finditer(path.read_text(encoding="utf-8"))
    ]
    assert not found


def test_the_changelog_names_every_public_name():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    named = {word.rsplit(".", 1)[-1] for word in re.findall(r"`([\w.]+)`", changelog)}
    public = {*fimcore.__all__, *fimcore.meanfield.__all__, *fimcore.fisher.__all__, *fimcore.training.__all__}
    public |= {*fimcore.estimators.__all__}
    assert not public - named - {"experiments", "meanfield", "inputs"}
