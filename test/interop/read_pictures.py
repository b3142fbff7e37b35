"""Reads each picture of a folder with Pillow, and writes its size and its pixels, upright and in RGB."""

import json
import sys
from pathlib import Path

from PIL import Image, ImageOps


def upright(path):
    with Image.open(path) as image:
        image.load()
        turned = ImageOps.exif_transpose(image)
        if turned.mode.startswith("I;16"):
            # Pillow has no way from 16 bits to 8 that keeps the higher ones.
            turned = turned.convert("I").point(lambda level: level / 256).convert("L")
        return turned.convert("RGB")


for path in sorted(Path(sys.argv[1]).glob("*.picture")):
    try:
        image = upright(path)
    except Exception as error:  # Each file stands for itself, whatever is wrong with it.
        print(json.dumps({"name": path.stem, "refusal": f"{type(error).__name__}: {error}"}))
        continue
    path.with_suffix(".rgb").write_bytes(image.tobytes())
    print(json.dumps({"name": path.stem, "width": image.width, "height": image.height}))
