# SPDX-License-Identifier: Apache-2.0
"""transformers' Trainer: adapters on the frozen trits of a model, saved for PEFT and the engine.

python examples/python/finetune_trainer.py [MODEL [STEPS [ADAPTER_FOLDER]]]
"""

import sys
import tempfile

from peft import LoraConfig, get_peft_model
from transformers import DataCollatorForLanguageModeling, Trainer, TrainingArguments

from rotor.finetune.model import load

# William Shakespeare, Sonnet 18.
LINES = """Shall I compare thee to a summer's day?
Thou art more lovely and more temperate:
Rough winds do shake the darling buds of May,
And summer's lease hath all too short a date:
Sometime too hot the eye of heaven shines,
And often is his gold complexion dimm'd;
And every fair from fair sometime declines,
By chance or nature's changing course untrimm'd;
But thy eternal summer shall not fade
Nor lose possession of that fair thou owest;""".splitlines()


def main(name: str = "stories", steps: str = "6", adapter: str = "") -> None:
    loaded = load(name)  # a model of transformers, its ternary layers on Rotor's kernels
    config = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj", "down_proj"])
    model = get_peft_model(loaded.model, config)
    tokenizer = loaded.tokenizer
    tokenizer.pad_token = tokenizer.eos_token
    with tempfile.TemporaryDirectory() as scratch:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=scratch,
                max_steps=int(steps),
                per_device_train_batch_size=10,
                learning_rate=5e-3,
                logging_steps=1,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                use_cpu=True,
            ),
            train_dataset=[tokenizer(line) for line in LINES],
            data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
        )
        trainer.train()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        model.save_pretrained(adapter or f"{scratch}/adapter", save_embedding_layers=False)
    print(f"loss at first {float(losses[0]):.3f}")
    print(f"loss at last  {float(losses[-1]):.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
