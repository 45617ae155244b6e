"""Orchestration: the graph, its steps, the runner, and the doors."""
