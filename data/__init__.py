"""Keeping facts: the store, its migrations, importers and the sample network."""
