"""The trainers, one module each; `core.refinement.registry` lists them."""
