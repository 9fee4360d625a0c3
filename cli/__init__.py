"""The words a person types; each command calls one function of the packages below it."""
