"""The desk: pages on which editors see the boxes at work and decide by hand."""
