"""Floor 1: arrays in, arrays out. Nothing here knows a path, a file or a task."""
