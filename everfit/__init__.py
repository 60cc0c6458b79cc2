"""everfit keeps tabular models fit in production."""
