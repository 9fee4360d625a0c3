"""Offline work: reads the store, makes and judges bundles."""
