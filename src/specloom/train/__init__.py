"""Training: the torch tower. Nothing below imports it, and nothing outside it imports torch."""
