"""The kinds of corruption by name, known without importing torch."""

from typing import Final

SEVERITIES: Final = (1, 2, 3, 4, 5)

KIND_NAMES: Final = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "speckle_noise",
    "defocus_blur",
    "gaussian_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "spatter",
    "brightness",
    "contrast",
    "saturate",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)
"""The nineteen of CIFAR-10-C (Hendrycks & Dietterich 2019, arXiv 1903.12261)."""
