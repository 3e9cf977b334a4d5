"""Statistics the decisions stand on: numbers in, numbers out."""
