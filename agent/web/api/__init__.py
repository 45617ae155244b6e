"""The JSON API, a file a subject."""
