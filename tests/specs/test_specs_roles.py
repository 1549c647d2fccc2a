"""What every bundled spec says of its parts, its papers and its parameters."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import archdsl
from archdsl.graph.graph import Graph

SPECS = archdsl.specs_root()
ENTRIES = [entry for entry in json.loads((SPECS / "catalogue.json").read_text())["entries"] if "/" not in entry["file"]]
FAMILY = {entry["name"]: entry["family"] for entry in ENTRIES}
FILES = sorted(SPECS.rglob("*.arch"))
CITED = re.compile(r"([A-Z]\w+(?: et al\.| & \w+)?),? (\d{4}), arXiv:(\d{2})(\d{2}\.\d{4,5})")
ROLES = {"stem", "stage", "head", "aux"}
MODULE = "inception_naive"  # not a net: a module without classes
WITHOUT_STEM = {"vgg", "unets", "temporal"}  # their first stage reads the input itself
SIDED = ("googlenet", "googlenet_paper", "inception_v3")

RESOLUTION: dict[str, Any] = {"resolution": 128}
PADDED: dict[str, Any] = {"size": 96}
NARROW: dict[str, Any] = {"width": 0.35}
SIZES = {
    **dict.fromkeys(("efficientnet", "mobilenet1", "mobilenet2", "mobilenet3", "regnet"), RESOLUTION),
    "unets": PADDED,
    "temporal": {"length": 100},
}
WIDTHS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("mobilenet1", "mobilenet2", "mobilenet3", "mnasnet"), NARROW),
    "unets": {"width": 8},
    "densenet": {"growth": 12, "width": 24},
    "shufflenet": {"widths": [24, 48, 96]},
    "convnext": {"widths": [16, 32, 64, 128]},
    "temporal": {"widths": [5, 6, 7]},
}


def read(file: Path) -> str:
    """A file, with each comment on one line."""
    return re.sub(r"(?<=\S)\n## ", " ", file.read_text("utf-8"))


def roles(graph: Graph) -> set[str]:
    """The roles of a graph's scopes."""
    return {scope.role for scope in graph.scopes if scope.role is not None}


def main_sizes(graph: Graph) -> tuple[int, ...]:
    """The sizes of a net's first output."""
    return next(iter(graph.output_shapes.values()))


@pytest.mark.parametrize("name", FAMILY)
def test_a_net_names_its_stem_its_stages_its_head_and_its_side_heads(name: str) -> None:
    """The first layer with weights stands in the stem, the last in the head; side heads where the paper has them."""
    graph = archdsl.compile(name)
    expected = {"stage"} if name == MODULE else {"stage", "head"}
    expected |= {"aux"} if name in SIDED else set()
    if FAMILY[name] not in WITHOUT_STEM and name not in (MODULE, "nin_cifar10"):
        expected |= {"stem"}
    assert roles(graph) == expected
    weighted = [index for index, node in enumerate(graph.nodes) if node.op.weighted and not node.training]
    first, last = graph.role(weighted[0]), graph.role(weighted[-1])
    assert first == ("stem" if "stem" in expected else "stage")
    assert last == ("stage" if name in (MODULE, "nin_cifar10", "nin_imagenet") else "head")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_names_its_paper(file: Path) -> None:
    """By authors and year, with its number where it is on arXiv; what only adds a part says what it is."""
    opening = read(file).split("\n\n")[0]
    assert opening.startswith("## ")
    if file.parent.name != "lib" or file.stem in ("squeeze_excite", "resnext_paths"):
        assert re.search(r"\d{4}, (?:arXiv:\d{4}\.\d{4,5}|NeurIPS)", opening)


def test_papers_are_cited_alike_everywhere() -> None:
    """One number has one list of authors and one year, that of the number."""
    cited = {match for file in FILES for match in CITED.findall(read(file))}
    assert len(cited) > 20
    assert [entry for entry in cited if int(entry[1]) != 2000 + int(entry[2])] == []
    numbers = [year + rest for _, _, year, rest in cited]
    assert sorted(numbers) == sorted(set(numbers)), sorted(cited, key=lambda entry: entry[3])


@pytest.mark.parametrize("name", [name for name in FAMILY if name != MODULE])
def test_every_net_takes_another_number_of_classes(name: str) -> None:
    """Only the first size of the output changes, and only readouts lose parameters."""
    ours, other = archdsl.compile(name), archdsl.compile(name, num_classes=7)
    assert main_sizes(other) == (7, *main_sizes(ours)[1:])
    assert other.params != ours.params


@pytest.mark.parametrize("name", [name for name in FAMILY if FAMILY[name] in SIZES])
def test_nets_with_a_size_take_another_with_the_same_parameters(name: str) -> None:
    values: dict[str, Any] = {"size": 252} if name == "unet" else SIZES[FAMILY[name]]  # the unpadded one loses 184
    ours, other = archdsl.compile(name), archdsl.compile(name, **values)
    (size,) = values.values()
    assert other.nodes[other.inputs[0]].outputs[0].sizes[1:] == (size,) * (1 if FAMILY[name] == "temporal" else 2)
    assert other.params == ours.params
    assert other.macs < ours.macs


@pytest.mark.parametrize("name", [name for name in FAMILY if FAMILY[name] in WIDTHS])
def test_nets_with_a_width_take_another(name: str) -> None:
    ours, other = archdsl.compile(name), archdsl.compile(name, **WIDTHS[FAMILY[name]])
    assert other.params != ours.params
    assert main_sizes(other) == main_sizes(ours)


@pytest.mark.parametrize("size, odd", [(500, "55x55"), (570, "279x279")])
def test_an_unpadded_unet_refuses_a_picture_whose_pools_would_lose_a_row(size: int, odd: str) -> None:
    """Ronneberger et al. 2015, section 3: every map that is pooled has an even size."""
    with pytest.raises(archdsl.CompileError, match=f"a map of {odd} cannot be halved"):
        archdsl.compile("unet", size=size)


@pytest.mark.parametrize("name", SIDED)
def test_side_heads_can_be_left_out(name: str) -> None:
    """The same net in inference, with fewer parameters."""
    ours, other = archdsl.compile(name), archdsl.compile(name, aux_logits=False)
    assert roles(ours) - roles(other) == {"aux"}
    assert other.macs == ours.macs
    assert other.params < ours.params
