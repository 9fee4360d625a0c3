"""The engine: mathematics and policy, free of web, database and environment."""
