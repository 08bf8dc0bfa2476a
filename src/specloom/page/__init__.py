"""The roof's page: results as one self-contained HTML file, with sound players beside pictures.

Describe a page with the frozen values of `specloom.page.parts`, then `write_page` it. Pictures come from
`specloom.page.figure`, sounds from `specloom.page.sound`.
"""

from specloom.page.figure import (
    AxisScale,
    Panel,
    audio_panel,
    figure_png,
    linear_panel,
    mel_panel,
    plain_picture,
    plain_png,
)
from specloom.page.html import format_number, render, write_page
from specloom.page.parts import Card, Column, Note, Page, Picture, Row, Section, Sound, Table, Waveform
from specloom.page.sound import encode_sound, outline

__all__ = [
    "AxisScale",
    "Card",
    "Column",
    "Note",
    "Page",
    "Panel",
    "Picture",
    "Row",
    "Section",
    "Sound",
    "Table",
    "Waveform",
    "audio_panel",
    "encode_sound",
    "figure_png",
    "format_number",
    "linear_panel",
    "mel_panel",
    "outline",
    "plain_picture",
    "plain_png",
    "render",
    "write_page",
]
