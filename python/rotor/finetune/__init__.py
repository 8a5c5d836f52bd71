# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning of ternary language models: low-rank adapters on frozen trits, or all weights.

`rotor finetune --help`, or `python -m rotor.finetune --help`, is the command; docs/finetune.md has
the rest. Needs torch, transformers and jinja2.
"""
