"""Widgets for a rule's parameters, generated from the registry."""

from typing import Any

import streamlit as st

from core.selection import Parameter, Rule


def render_parameters(rule: Rule, *, simple: bool) -> dict[str, Any]:
    """Draw widgets for the sliders and choices of `rule` (`simple`), or for what few people set."""
    return {
        parameter.name: _widget(rule, parameter)
        for parameter in rule.parameters
        if (parameter.kind != "scale") == simple
    }


def _widget(rule: Rule, parameter: Parameter) -> Any:
    key = f"{rule.id}-{parameter.name}"
    label, meaning = parameter.label, parameter.help
    if parameter.kind == "choice":
        return st.segmented_control(
            label,
            parameter.choices,
            default=parameter.default,
            required=True,
            help=meaning,
            key=key,
        )
    if parameter.kind == "scale":
        text = st.text_input(label, value=str(parameter.default), help=meaning, key=key).strip()
        try:
            return text if text == "auto" else float(text)
        except ValueError:
            st.error(f"{label} takes auto or a number.")
            return parameter.default
    if parameter.kind == "int":
        return st.number_input(
            label, parameter.low, parameter.high, parameter.default, help=meaning, key=key
        )
    low, high = float(parameter.low or 0), float(parameter.high or 1)
    return st.slider(label, low, high, float(parameter.default), 0.01, help=meaning, key=key)
