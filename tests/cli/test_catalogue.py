"""What `archdsl list` and the gallery say of the bundled specs is what their files say and the compiler counts."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from archdsl.bundled import bundled
from archdsl.cli import catalogue, gallery
from archdsl.cli.main import run
from archdsl.library import specs_root

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def found() -> tuple[catalogue.Entry, ...]:
    return catalogue.elaborated()


def test_the_gallery_and_the_kept_list_are_current(found: tuple[catalogue.Entry, ...]) -> None:
    """Else run `python -m archdsl.cli.gallery`."""
    assert catalogue.kept_file().read_text("utf-8") == catalogue.kept_text(found)
    assert (DOCS / "gallery.md").read_text("utf-8") == gallery.page(found)


def test_every_architecture_is_listed_once_under_a_name_that_finds_it(found: tuple[catalogue.Entry, ...]) -> None:
    names = [entry.name for entry in found]
    files = [path for path in specs_root().rglob("*.arch") if path.parent.name not in catalogue.SHARED]
    assert sorted(names) == sorted(path.stem for path in files)
    known = bundled()
    assert [name for name in names if len(known[name]) != 1] == []


def test_bundled_names_are_unique() -> None:
    """A name is a file's stem or an arch's: no two files share one, save a file and the arch in it."""
    assert [name for name, places in bundled().items() if len(places) > 1] == []
    stems = Counter(path.stem for path in specs_root().rglob("*.arch"))
    assert [stem for stem, count in stems.items() if count > 1] == []


def test_facts_are_the_files_own(found: tuple[catalogue.Entry, ...]) -> None:
    """Figures are those of the `expect`s, papers and years those of the documentation."""
    for entry in found:
        text = (specs_root() / entry.file).read_text("utf-8")
        stated = re.findall(r"expect (params|macs) == ([\d_]+)$", text, re.MULTILINE)
        assert {word: int(number) for word, number in stated}.items() <= {
            "params": entry.params,
            "macs": entry.macs,
        }.items()
        said = catalogue.documentation(specs_root() / entry.file)
        assert f"{entry.authors} {entry.year}" in said, entry.file
        assert entry.arxiv is None or entry.arxiv in said
        assert entry.about
        assert said.startswith(entry.about)


def test_only_a_paper_that_is_not_on_arxiv_has_no_number(found: tuple[catalogue.Entry, ...]) -> None:
    assert [entry.name for entry in found if entry.arxiv is None] == ["alexnet_two_tower"]


def test_families_are_whole_and_in_the_order_of_their_years(found: tuple[catalogue.Entry, ...]) -> None:
    runs = [entry.family for index, entry in enumerate(found) if not index or found[index - 1].family != entry.family]
    assert len(runs) == len(set(runs))
    assert runs[-1] == catalogue.BLOCKS
    assert set(runs[:-1]) == {path.stem for path in (specs_root() / "families").glob("*.arch")}
    years = [min(entry.year for entry in found if entry.family == family) for family in runs[:-1]]
    assert years == sorted(years)


def test_a_listing_shows_figures_input_year_and_paper(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "params", "MACs", "input", "year", "paper"]
    members = lines[lines.index("resnet") + 1 : lines.index("resnet_cifar")]
    shown = {line.split()[0]: " ".join(line.split()[1:]) for line in members}
    assert shown["resnet50"] == "25,557,032 4,089,184,256 3x224x224 2015 He et al., arXiv:1512.03385"


def test_a_changed_spec_is_compiled_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The kept list is taken only while no file differs from those that it was made of."""
    (tmp_path / "families").mkdir()
    (tmp_path / "tiny.arch").write_text(
        "## A net. Doe et al. 1999, arXiv:9901.00001, table 1.\n\narch tiny() {\n    input [4]\n    linear(2)\n}\n"
    )
    monkeypatch.setattr(catalogue, "specs_root", lambda: tmp_path)
    (entry,) = catalogue.entries()
    assert (entry.name, entry.family, entry.params, entry.macs, entry.input) == ("tiny", "tiny", 10, 8, "4")
    assert (entry.about, entry.authors, entry.year, entry.arxiv) == ("A net", "Doe et al.", 1999, "9901.00001")
    kept = json.loads(catalogue.kept_text((entry,)))
    kept["entries"][0]["params"] = 11
    catalogue.kept_file().write_text(json.dumps(kept))
    assert catalogue.entries()[0].params == 11
    spec = tmp_path / "tiny.arch"
    spec.write_text(spec.read_text().replace("linear(2)", "linear(3)"))
    assert catalogue.entries()[0].params == 15
    catalogue.kept_file().write_text("{")
    assert catalogue.entries()[0].params == 15
