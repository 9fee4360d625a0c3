"""Tells in Markdown what the code says of itself, so that no page of the site can go stale."""
