"""Floor 2: phase retrieval, from a magnitude to sound."""
