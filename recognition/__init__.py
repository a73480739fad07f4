"""Recognition: from a clip to an answer about who is in it."""
