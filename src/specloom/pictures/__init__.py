"""Floor 4: spectrogram pictures that can be heard, of any length, with every setting inside the file."""

from specloom.pictures.drawing import Drawn, Tiles, draw_pictures
from specloom.pictures.picture import Picture, picture, picture_recipe
from specloom.pictures.sequence import PictureSequence, Run, runs
from specloom.pictures.settings import Bins, LogRows, PictureSettings, Piece

__all__ = [
    "Bins",
    "Drawn",
    "LogRows",
    "Picture",
    "PictureSequence",
    "PictureSettings",
    "Piece",
    "Run",
    "Tiles",
    "draw_pictures",
    "picture",
    "picture_recipe",
    "runs",
]
