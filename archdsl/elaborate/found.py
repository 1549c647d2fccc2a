"""How a mistake travels from where it is found to where elaboration goes on."""

from __future__ import annotations

from archdsl.diagnostics import Problem


class Found(Exception):  # noqa: N818
    """Carries a problem up to the statement that it spoils."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem)
