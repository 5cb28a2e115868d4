"""Makes a folder like CIFAR-10-C with the authors' own code, in an environment of its own: it needs no espalier.

    python benchmarks/cifar_c.py make_cifar_c.py IMAGES.npy FOLDER '["fog", "snow"]'

`make_cifar_c.py` is the script of Hendrycks & Dietterich 2019 (github.com/hendrycks/robustness, ImageNet-C/create_c);
only its functions are run. IMAGES.npy holds uint8 [N, 32, 32, 3]. The environment has imagecorruptions 1.1.2, whose
photographs of frost and whose blur along a line stand in for files and for ImageMagick. What numpy and scikit-image
have renamed since is called by its new name.
"""

import ast
import json
import os
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]

SEED = 0


class MotionImage:
    """What the script asks of ImageMagick: an image that is blurred along a line."""

    def __init__(self, blob: bytes) -> None:
        self._pixels: Any = import_module("cv2").imdecode(np.frombuffer(blob, np.uint8), -1)

    def motion_blur(self, radius: float, sigma: float, angle: float) -> None:
        """Blur with half a Gaussian, as ImageMagick does."""
        blurred = import_module("imagecorruptions.corruptions")._motion_blur(self._pixels, radius, sigma, angle)
        self._pixels = np.clip(blurred, 0, 255).astype(np.uint8)

    def make_blob(self) -> bytes:
        """Return the image as PNG."""
        blob: bytes = import_module("cv2").imencode(".png", self._pixels)[1].tobytes()
        return blob


def gaussian(image: Any, sigma: Any, multichannel: bool = False, **others: Any) -> Any:
    """Call scikit-image's filter, which takes the axis of the channels since 0.19."""
    blur = import_module("skimage.filters").gaussian
    return blur(image, sigma, channel_axis=-1 if multichannel else None, **others)


def functions(script: Path) -> dict[str, Any]:
    """Return the functions of the script, without running the rest of it."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    tree.body = [part for part in tree.body if isinstance(part, ast.FunctionDef)]
    numpy: Any = np
    for module in ("skimage.color", "skimage.util"):
        import_module(module)
    numpy.float_, numpy.fromstring = np.float64, np.frombuffer
    names: dict[str, Any] = {
        "np": np,
        "sk": import_module("skimage"),
        "cv2": import_module("cv2"),
        "scizoom": import_module("scipy.ndimage").zoom,
        "map_coordinates": import_module("scipy.ndimage").map_coordinates,
        "BytesIO": import_module("io").BytesIO,
        "PILImage": Image,
        "MotionImage": MotionImage,
        "gaussian": gaussian,
    }
    exec(compile(tree, str(script), "exec"), names)
    return names


def corrupted(kind: Any, images: Pixels) -> Pixels:
    """Return the images under a kind at severities 1 to 5, one after another."""
    return np.array([np.uint8(kind(Image.fromarray(one), level)) for level in range(1, 6) for one in images], np.uint8)


def loaded(file: Path) -> Pixels:
    """Return the images in a file; ends the program with a sentence if it does not hold any."""
    try:
        pixels: Pixels = np.load(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        sys.exit(f"{file} is not a readable NumPy file: {error}")
    if pixels.dtype != np.uint8 or pixels.shape[1:] != (32, 32, 3) or not len(pixels):
        sys.exit(f"{file} must hold uint8 [N, 32, 32, 3], at least one image, and holds {pixels.dtype} {pixels.shape}")
    return pixels


def frost_photographs() -> Path:
    """Return the folder of the photographs of frost; ends the program with a sentence if they are not installed."""
    try:
        return Path(str(import_module("imagecorruptions").__file__)).parent / "frost"
    except ModuleNotFoundError as missing:
        sys.exit(f"{sys.executable} has no {missing.name}: install imagecorruptions 1.1.2 in its environment")


def main() -> None:
    if len(sys.argv) != 5 or not Path(sys.argv[1]).is_file():
        sys.exit(f"four arguments are needed, and the first must be a file:\n{__doc__}")
    script, images, folder = (Path(name).resolve() for name in sys.argv[1:4])
    kinds: list[str] = json.loads(sys.argv[4])
    warnings.simplefilter("ignore")
    pixels, photographs = loaded(images), frost_photographs()
    defined = functions(script)
    if lacking := [kind for kind in kinds if kind not in defined]:
        sys.exit(f"{script} does not define {', '.join(lacking)}: leave them out, or name another script")
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(photographs)
    np.random.seed(SEED)  # the script draws from NumPy's global generator
    for kind in kinds:
        np.save(folder / f"{kind}.npy", corrupted(defined[kind], pixels))
    np.save(folder / "labels.npy", np.zeros(5 * len(pixels), np.uint8))


if __name__ == "__main__":
    main()
