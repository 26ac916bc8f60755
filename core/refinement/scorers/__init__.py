"""The scorers, one module each; `core.refinement.registry` lists them."""
