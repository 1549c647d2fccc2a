"""`from specs import resnet18`, in processes of their own: an import hook stays once it is there."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import BROKEN, TINY


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=folder)


def test_a_bundled_spec_is_imported_by_its_name(tmp_path: Path) -> None:
    code = "import archdsl.importer; from specs import resnext50; print(resnext50.graph(num_classes=10).params)"
    assert python(code, tmp_path).stdout == "23000394\n"


def test_an_imported_spec_makes_modules(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    code = (
        "import archdsl, archdsl.importer; from specs import resnet18; one = resnet18(num_classes=3, seed=1);"
        "other = archdsl.load('resnet18', num_classes=3, seed=1); print(one.fc.weight.equal(other.fc.weight), one.fc)"
    )
    assert python(code, tmp_path).stdout.startswith("True Linear(in_features=512, out_features=3")


def test_a_folder_of_specs_comes_before_the_bundled_ones(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "tiny.arch").write_text(TINY)
    code = "import archdsl.importer, specs; print(specs.tiny.graph().params, {'tiny', 'resnet50'} <= set(dir(specs)))"
    assert python(code, tmp_path).stdout == "186 True\n"


def test_a_spec_that_is_wrong_raises_its_diagnostics_when_it_is_imported(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "broken.arch").write_text(BROKEN)
    done = python("import archdsl.importer; from specs import broken", tmp_path)
    assert done.returncode == 1
    assert "broken.arch:3:" in done.stderr


def test_a_spec_that_is_not_there_is_an_import_error_and_its_attribute_names_the_near_one(tmp_path: Path) -> None:
    done = python("import archdsl.importer; from specs import resnxt50", tmp_path)
    assert "ImportError: cannot import name 'resnxt50'" in done.stderr
    done = python("import archdsl.importer, specs; specs.resnxt50", tmp_path)
    assert "did you mean `resnext50`?" in done.stderr


def test_a_python_package_of_that_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "__init__.py").write_text("mine = 1\n")
    assert python("import archdsl.importer; from specs import mine; print(mine)", tmp_path).stdout == "1\n"
