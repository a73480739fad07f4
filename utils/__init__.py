"""What every layer shares: array types, values, errors, settings and small helpers."""
