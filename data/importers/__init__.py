"""Brings articles and events from other people's files, feeds and data sets into the store."""
