"""Makes Inter-subset.ttf from Inter's upright variable font (Debian package fonts-inter-variable, upstream
https://github.com/rsms/inter): Latin only, weight axis kept, and tabular figures in place of proportional ones, so
that live figures stand still. Needs fontTools.

    python3 make.py /usr/share/fonts/truetype/inter-vf/Inter-roman.var.ttf Inter-subset.ttf
"""

import sys

from fontTools import subset
from fontTools.ttLib import TTFont

RANGES = "20-7E A0-17F 2010-2027 2030-203A 20AC 2122 2190-2193 2212 2248 2260 2264-2265 25CF 25A0 25B2 25BC 2713 2715"


def codepoints():
    for part in RANGES.split():
        first, _, last = part.partition("-")
        yield from range(int(first, 16), int(last or first, 16) + 1)


def main(source, target):
    font = TTFont(source)
    tabular = {}
    for record in font["GSUB"].table.FeatureList.FeatureRecord:
        if record.FeatureTag == "tnum":
            for index in record.Feature.LookupListIndex:
                for table in font["GSUB"].table.LookupList.Lookup[index].SubTable:
                    tabular.update(getattr(getattr(table, "ExtSubTable", table), "mapping", {}))
    for table in font["cmap"].tables:
        for char in range(ord("0"), ord("9") + 1):
            if char in table.cmap:
                table.cmap[char] = tabular.get(table.cmap[char], table.cmap[char])  # subtables may share one map
    options = subset.Options()
    options.layout_features = ["kern", "mark", "mkmk", "ccmp"]
    options.name_IDs = ["*"]
    options.hinting = False
    options.notdef_outline = True
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=list(codepoints()))
    subsetter.subset(font)
    font.save(target)


main(*sys.argv[1:])
