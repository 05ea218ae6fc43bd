"""Pictures, and what Pillow makes of them: pillow.py FOLDER

NAME.png and NAME.jpg are pictures; NAME.EXT.rgb holds what Pillow decodes and turns upright, NAME.EXT.WIDTHxHEIGHT.rgb what its
Image.resize((WIDTH, HEIGHT)) makes of that (red, green, blue, row by row).
"""
import random
import sys

from PIL import Image, ImageOps

folder = sys.argv[1]
draw = random.Random(1)


def noise(width, height, extremes=False):
    data = draw.randbytes(width * height * 3)
    if extremes:
        data = bytes(255 if value > 127 else 0 for value in data)
    return Image.frombytes("RGB", (width, height), data)


def keep(name, picture, sizes=(), **options):
    path = f"{folder}/{name}"
    picture.save(path, **options)
    decoded = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    with open(f"{path}.rgb", "wb") as file:
        file.write(decoded.tobytes())
    for width, height in sizes:
        with open(f"{path}.{width}x{height}.rgb", "wb") as file:
            file.write(decoded.resize((width, height), Image.BICUBIC).tobytes())


resizes = [
    (1, 1), (32, 32), (33, 31), (31, 33), (640, 480), (1000, 3), (2, 700), (7, 5), (64, 64), (1, 9), (257, 32), (32, 257),
]
for number, (width, height) in enumerate(resizes):
    keep(f"noise{number}.png", noise(width, height, extremes=number % 3 == 0), [(32, 32)])
keep("up.png", noise(32, 32), [(96, 64), (33, 200), (1, 1), (31, 32)])

smooth = noise(20, 15).resize((203, 151), Image.BICUBIC)
keep("rgb.jpg", smooth, [(32, 32)], quality=90)
keep("progressive.jpg", smooth, quality=70, progressive=True)
keep("full.jpg", smooth, quality=80, subsampling=0)
keep("grey.jpg", smooth.convert("L"), [(32, 32)])
keep("cmyk.jpg", smooth.convert("CMYK"))
keep("grey.png", smooth.convert("L"), [(32, 32)])
keep("grey_alpha.png", smooth.convert("LA"))
keep("bilevel.png", smooth.convert("1"))
keep("palette.png", smooth.quantize(16))
keep("palette_two.png", smooth.quantize(2))
keep("palette_transparent.png", smooth.quantize(16), transparency=3)
alpha = smooth.convert("RGBA")
alpha.putalpha(smooth.convert("L"))
keep("alpha.png", alpha, [(32, 32)])
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    keep(f"orientation{orientation}.jpg", smooth, [(32, 32), (7, 5), (300, 200)], quality=90, exif=exif)
    keep(f"orientation{orientation}.png", smooth, [(32, 32)], exif=exif)
