# SPDX-License-Identifier: Apache-2.0
"""Training of BitNet b1.58 language models: tokenizer, data, model, recipe, export.

`python -m rotor.train --help` trains, `python -m rotor.train.export --help` writes a
Hugging Face directory. Modules here need torch, which the rest of `rotor` does not; only those
that make the texts (`books` and what it imports) need nothing, and `overlap` numpy alone.
"""
