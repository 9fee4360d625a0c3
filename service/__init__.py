"""HTTP: answers article pages from the bundle in memory."""
