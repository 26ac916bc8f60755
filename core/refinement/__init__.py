"""Iterative refinement (arXiv 2409.11378): rounds that select, train, score and re-weight."""

METHOD = "refine"  # what a run that came of it has as its method
LABEL = "Iterative refinement"
SUMMARY = "Draws in rounds; each round's scores change the weights of the clusters for the next."
