"""What the pages share: the project in view, the strip on top, row cards, the map."""
