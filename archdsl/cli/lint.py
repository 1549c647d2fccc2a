"""`archdsl lint`: what the literature says against a net."""

from __future__ import annotations

from archdsl.cli import console, inputs, options


def lint(
    spec: options.Spec,
    arch: options.Arch = None,
    set_: options.Set = None,
    limit: options.Limit = None,
    as_json: options.Json = False,
) -> None:
    """Tell what the literature advises against in a net, with its source and the pass that mends it. Never an error.

    Example: archdsl lint resnet50
    """
    from archdsl.analysis.lint import lint as found_in
    from archdsl.compiler import graph_of

    graph = graph_of(inputs.spec(spec), arch, inputs.settings(set_), inputs.limits(limit))
    found = found_in(graph)
    if as_json:
        console.say_json(ok=True, advice=[advice.json() for advice in found])
        return
    for advice in found:
        mend = f"Mended by: --pass {advice.mend}." if advice.mend else "No bundled pass mends it."
        place = f"  {advice.place}" if advice.place else ""
        console.say(f"{advice.rule}  {advice.path}{place}\n    {advice.message}.\n    {advice.source}. {mend}")
    console.note(f"{len(found)} {'piece' if len(found) == 1 else 'pieces'} of advice on {graph.name}")
