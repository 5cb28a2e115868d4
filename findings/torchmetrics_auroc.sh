#!/usr/bin/env bash
# torchmetrics' macro AUROC counts a class without images as an area of 0.
#
# Good guess: the area under the curve of a class that does not occur is undefined, and the mean over the classes leaves
# it out, as the macro F1 and recall of the same library do: a perfect classifier has an area of 1. Seen: each absent
# class is averaged in as 0, with a warning about true positives, so that a perfect classifier of 4 classes of which 3
# occur has 0.75. espalier takes the mean over the classes that occur. Exits with 1 if it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 torchmetrics==1.9.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys

import torch
import torchmetrics
from torchmetrics.functional.classification import multiclass_auroc, multiclass_f1_score

labels = torch.tensor([0, 1, 2] * 20)
perfect = 0.9 * torch.nn.functional.one_hot(labels, 4) + 0.025
area = multiclass_auroc(perfect, labels, num_classes=4, average="macro").item()
f1 = multiclass_f1_score(perfect, labels, num_classes=4, average="macro").item()
print(f"torchmetrics {torchmetrics.__version__}, macro F1 {f1}")
print("guess: macro AUROC 1.0")
print(f"seen:  macro AUROC {area}")
sys.exit(0 if (f1, area) == (1.0, 0.75) else 1)
PYTHON
