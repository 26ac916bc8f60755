"""Write docs/rules.md from the tables of rules and metrics: `python -m docs.make_rules`."""

from collections.abc import Iterable
from pathlib import Path

from core.metrics import METRICS, Metric
from core.selection import RULES, Parameter, Rule

PAGE = Path(__file__).parent / "rules.md"
_NEEDS = {
    "needs_target": "a target set",
    "needs_features": "features",
    "needs_clusters": "clusters",
    "needs_quality": "a quality column",
    "needs_strata": "groups",
}
_FAMILIES = {
    "baseline": "Baselines",
    "diversity-first": "Without a target",
    "target-driven": "By a target",
}


def page() -> str:
    """Return the text of the page."""
    parts = [
        "# Rules and metrics",
        "Made from the tables in `core/selection/registry.py` and `core/metrics.py` by "
        "`python -m docs.make_rules`; change those, not this page. Costs are for n candidates, "
        "d dimensions, M target rows, K neighbours, k clusters and b chosen rows. All distances "
        "are between vectors of unit norm.",
        "## Rules",
    ]
    for family, title in _FAMILIES.items():
        parts.append(f"### {title}")
        parts += [_rule(rule) for rule in RULES.values() if rule.family == family]
    parts += [
        "## Metrics",
        "Compare a metric with Random's at the same budget: most of them move with the number of "
        "rows.",
        *(_metric(metric) for metric in METRICS.values()),
    ]
    return "\n\n".join(parts) + "\n"


def _rule(rule: Rule) -> str:
    needs = [words for name, words in _NEEDS.items() if getattr(rule, name)]
    if rule.needs_target:
        needs.append("features")
    facts = [
        ("Needs", ", ".join(dict.fromkeys(needs)) or "nothing"),
        ("Cost", rule.cost),
        ("Source", rule.source),
    ]
    lines = [f"#### {rule.label} (`{rule.id}`)", rule.summary, _facts(facts)]
    parameters = [(one, "") for one in rule.parameters] + [(one, " *") for one in rule.expert]
    if parameters:
        lines.append(
            "| parameter | default | range | meaning |\n|---|---|---|---|\n"
            + "\n".join(_parameter(one, mark) for one, mark in parameters)
        )
    if rule.expert:
        lines.append(r"\* in the command line and in Python only.")
    return "\n\n".join(lines)


def _parameter(one: Parameter, mark: str) -> str:
    default = "from the data" if one.default is None else f"{one.default}"
    cells = (f"`--{one.name.replace('_', '-')}`{mark}", default, one.range, one.help)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _metric(metric: Metric) -> str:
    needs = [words for name, words in _NEEDS.items() if getattr(metric, name, False)]
    facts = [
        ("Range", metric.range),
        ("Better", metric.good or "neither way"),
        ("Needs", ", ".join(needs) or "nothing but features"),
        ("Source", metric.source),
    ]
    return "\n\n".join([f"### {metric.label} (`{metric.id}`)", metric.definition, _facts(facts)])


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"- {name}: {text}" for name, text in facts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
