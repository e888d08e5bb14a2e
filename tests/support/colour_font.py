"""Makes colour.ttf: a font of two emoji for the tests of outline emoji. Needs fontTools.

U+1F600 (COLR version 0): a red square with a blue one in its right upper quarter.
U+1F601 (COLR version 1): a square with a gradient from green (left) to white (right), half transparent.
"""

from pathlib import Path

from fontTools.colorLib.builder import buildCOLR, buildCPAL
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib.tables import otTables as ot


def square(left, bottom, right, top):
    pen = TTGlyphPen(None)
    pen.moveTo((left, bottom))
    for point in ((left, top), (right, top), (right, bottom)):
        pen.lineTo(point)
    pen.closePath()
    return pen.glyph()


names = [".notdef", "zero", "one", "whole", "quarter"]
build = FontBuilder(1000, isTTF=True)
build.setupGlyphOrder(names)
build.setupCharacterMap({0x1F600: "zero", 0x1F601: "one"})
whole = square(0, 0, 1000, 1000)
build.setupGlyf({n: square(500, 500, 1000, 1000) if n == "quarter" else whole for n in names})
build.setupHorizontalMetrics({n: (1000, 500 if n == "quarter" else 0) for n in names})
build.setupHorizontalHeader(ascent=1000, descent=-200)
build.setupNameTable({"familyName": "Kaibo Test Emoji", "styleName": "Regular", "psName": "KaiboTestEmoji"})
build.setupOS2(sTypoAscender=1000, sTypoDescender=-200)
build.setupPost()
stops = [{"StopOffset": 0.0, "PaletteIndex": 2, "Alpha": 0.5}, {"StopOffset": 1.0, "PaletteIndex": 3, "Alpha": 0.5}]
gradient = {
    "Format": ot.PaintFormat.PaintLinearGradient,
    "ColorLine": {"ColorStop": stops, "Extend": "pad"},
    "x0": 0, "y0": 0, "x1": 1000, "y1": 0, "x2": 0, "y2": 1000,
}
one = {"Format": ot.PaintFormat.PaintGlyph, "Glyph": "whole", "Paint": gradient}
layers = {"zero": [("whole", 0), ("quarter", 1)], "one": one}
build.font["COLR"] = buildCOLR(layers, glyphMap=build.font.getReverseGlyphMap())
build.font["CPAL"] = buildCPAL([[(1, 0, 0, 1), (0, 0, 1, 1), (0, 1, 0, 1), (1, 1, 1, 1)]])
build.save(Path(__file__).with_name("colour.ttf"))
