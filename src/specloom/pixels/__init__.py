"""Levels and colours of pictures: arrays in, arrays out."""
