"""Tells a person what an evaluation found: one page that stands alone, and files to go on with."""
