# SPDX-License-Identifier: Apache-2.0
"""Logits of the reference implementation."""

from __future__ import annotations

import os
from pathlib import Path


def logits(folder: Path, tokens: list[int]) -> tuple[list[list[float]], dict]:
    """Rows of logits of the model in `folder`, in binary32 on the CPU, and the versions used."""
    os.environ["TORCHDYNAMO_DISABLE"] = "1"  # compiled, the same steps round otherwise
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", local_files_only=True
    )
    # The loader keeps what is not packed in the file's bfloat16; the class refuses to widen it, which
    # is exact, for a reason that does not hold for uint8.
    torch.nn.Module.float(model)
    with torch.no_grad():
        rows = model.eval()(torch.tensor([tokens])).logits[0].float().tolist()
    return rows, {"torch": torch.__version__, "transformers": transformers.__version__}
