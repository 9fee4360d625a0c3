"""Learns on a Spark cluster what one machine would not hold, into the very same bundle."""
