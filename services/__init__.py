"""Capabilities of Assay: warehouse, semantics, retrieval, analysis, measures, model, stores, review, audit."""
