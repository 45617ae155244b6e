"""Documents: the report model, figures and charts, renderers and the proof."""
