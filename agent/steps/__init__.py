"""The eight steps of a run, the node that waits, and what happens when a step fails."""
