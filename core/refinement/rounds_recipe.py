"""What a recipe says of the rounds of a refinement: all that their draws need, and no training."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.refinement.draw import WITHIN

# Of a round without `dropped` or `pinned` these rows are those of the round before it.
ROUND_SHAPE: dict[str, Any] = {
    "number": "number",
    "seed": "number",
    "size": "number",
    "weights": "text",
    "dropped?": "text",
    "pinned?": "text",
    "rows_sha256": "text",
}


def write_weights(weights: NDArray[np.float64]) -> str:
    """The weights of the clusters as text, exact to the bit; 0 is written short."""
    return " ".join(repr(one) if one else "0" for one in weights.tolist())


def read_weights(text: str) -> NDArray[np.float64]:
    """Read what `write_weights` wrote.

    Raises
    ------
    InputError
        It is not a list of numbers of 0 or more.
    """
    try:
        weights = np.array(text.split(), np.float64)
    except ValueError:
        weights = np.array([np.nan])
    if not len(weights) or not np.isfinite(weights).all() or weights.min() < 0:
        raise InputError("it is not a list of numbers of 0 or more.")
    return weights


def check_rounds(recipe: dict[str, Any]) -> None:
    """Refuse the recipe of a refinement that cannot be drawn again.

    Raises
    ------
    InputError
        It has no rounds or no clusters, or the weights of a round or the rule cannot be used.
    """
    rounds = recipe.get("refinement", {}).get("rounds")
    if not rounds or "clusters" not in recipe or "features" not in recipe:
        raise InputError("The recipe of a refinement needs its rounds, features and clusters.")
    parameters = recipe["selection"]["parameters"] or {}
    within = parameters.get("within")
    temperature: Any = parameters.get("temperature")
    if within not in WITHIN:
        raise InputError(f"selection.parameters.within of the recipe must be one of {WITHIN}.")
    number = isinstance(temperature, int | float) and not isinstance(temperature, bool)
    if not number or not 0 <= temperature < np.inf:
        raise InputError("selection.parameters.temperature of the recipe must be 0 or more.")
    for at, one in enumerate(rounds):
        try:
            read_weights(one["weights"])
        except InputError as error:
            raise InputError(
                f"refinement.rounds[{at}].weights of the recipe cannot be used: {error}"
            ) from None
