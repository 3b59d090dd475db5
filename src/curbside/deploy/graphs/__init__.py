"""Graphs, read and rewritten: where they end, what their operators are, how each library takes them."""
