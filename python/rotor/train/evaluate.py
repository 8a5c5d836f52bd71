# SPDX-License-Identifier: Apache-2.0
"""Bits per byte: the yardstick that does not depend on the tokenizer."""

import math

import torch
from tokenizers import Tokenizer

from rotor.train.model import BitNet
from rotor.train.tokenizer import BEGIN_OF_TEXT


@torch.no_grad()
def bits_per_byte(
    model: BitNet, tokenizer: Tokenizer, text: str, dtype: torch.dtype, at_once: int = 16
) -> float:
    """Bits that `model` needs for `text`, divided by its UTF-8 length.

    The text is tokenised as a whole and cut into windows of max_position_embeddings tokens that
    do not overlap. Each window is predicted from <|begin_of_text|> and its own tokens, so every
    token of the text counts once, the first ones of a window with little context.
    """
    context = model.config.max_position_embeddings
    begin = tokenizer.token_to_id(BEGIN_OF_TEXT)
    ids = torch.tensor(tokenizer.encode(text, add_special_tokens=False).ids)
    whole = len(ids) // context * context
    batches = [*ids[:whole].view(-1, context).split(at_once), ids[whole:].view(1, -1)]
    nats = 0.0
    for targets in batches:
        if targets.numel() == 0:
            continue
        inputs = torch.cat((torch.full((len(targets), 1), begin), targets[:, :-1]), dim=1)
        device = next(model.parameters()).device
        loss = model(inputs.to(device), targets.to(device), dtype)
        nats += loss.item() * targets.numel()
    return nats / math.log(2) / len(text.encode())
