"""Charts, one idea a file: rows computed by `core`, and an Altair definition that draws them.

Every file has a function that makes rows (`painted_rows`) and one that draws them (`painted`). `style` holds the
look, `export` makes SVG and PNG. Needs Altair and vl-convert: `pip install 'flatfield[pages]'`.
"""
