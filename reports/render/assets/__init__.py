"""Templates and styles of the renderers."""
