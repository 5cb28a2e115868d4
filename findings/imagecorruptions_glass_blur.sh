#!/usr/bin/env bash
# The glass blur of CIFAR-10-C and ImageNet-C copies pixels where it means to swap them.
#
# Good guess: glass_blur swaps each pixel with a neighbour, as the comment in the code says, so that a picture keeps all
# of its pixels. Seen: `x[h, w], x[i, j] = x[i, j], x[h, w]` assigns views of one NumPy array; the second assignment
# reads what the first has written, so the neighbour stays and the pixel is lost: 416 of 1,024 at severity 2.
# imagecorruptions 1.1.2 has the line from the script that made the published files, so these have it, too. A glass blur that
# swaps changes pixels of CIFAR-10 by a quarter to a third more at severities 1 to 3. espalier copies, like that script.
# Exits with 1 if it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet imagecorruptions==1.1.2 numpy==2.4.6 scipy==1.17.1 scikit-image==0.26.0 \
    opencv-python==5.0.0.93 setuptools==65.5.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys

import numpy as np
from imagecorruptions import corruptions
from PIL import Image

corruptions.gaussian = lambda image, **_: image  # only the pixels' places are looked at
rows, columns = np.mgrid[:32, :32]
distinct = np.stack([8 * rows + 4, 8 * columns + 4, 0 * rows], -1).astype(np.uint8)
np.random.seed(0)
moved = corruptions.glass_blur(Image.fromarray(distinct), severity=2)  # once, at most two pixels away
left = len({tuple(pixel) for pixel in (moved // 8).reshape(-1, 3).tolist()})
print("imagecorruptions 1.1.2, glass_blur without its blur, 1,024 distinct pixels")
print("guess: 1024 of them are left")
print(f"seen:  {left} of them are left")
sys.exit(0 if left < 900 else 1)
PYTHON
