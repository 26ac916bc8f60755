"""The page of rules and metrics is what the tables say today."""

from core.metrics import METRICS
from core.selection import RULES
from docs.make_rules import PAGE, page


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m docs.make_rules`"


def test_every_rule_metric_and_parameter_is_on_it():
    text = page()
    for rule in RULES.values():
        _, section = text.split(f"#### {rule.label} (`{rule.id}`)\n")
        section = section.split("\n#")[0]
        assert rule.summary in section and rule.source in section and rule.cost in section
        for one in rule.parameters + rule.expert:
            assert f"`--{one.name.replace('_', '-')}`" in section and one.range in section
    for metric in METRICS.values():
        assert f"### {metric.label} (`{metric.id}`)\n\n{metric.definition}\n" in text
