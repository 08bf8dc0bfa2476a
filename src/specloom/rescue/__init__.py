"""Pictures of spectrograms that say nothing about themselves, turned into sound."""
