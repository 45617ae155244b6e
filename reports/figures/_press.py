"""
Draws Vega-Lite documents as SVG: JSON in on stdin, JSON out on stdout.

A script and not a module of the package: it is run by its path in a process of its own, because
the drawing engine holds the interpreter while it works, and it imports nothing but the engine so
that it is ready at once.
"""

import json
import sys

import vl_convert

order = json.load(sys.stdin)
vl_convert.register_font_directory(order["fonts"])
drawn = [
    vl_convert.vegalite_to_svg(document, vl_version="6.4", allowed_base_urls=[])
    for document in order["documents"]
]
json.dump(drawn, sys.stdout)
