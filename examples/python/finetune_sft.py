# SPDX-License-Identifier: Apache-2.0
"""TRL's SFTTrainer: conversations, of which only the answers are learned, by adapters.

python examples/python/finetune_sft.py [MODEL [STEPS [ADAPTER_FOLDER]]]
"""

import sys
import tempfile

from datasets import Dataset
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer

from rotor.finetune.model import load

QUESTIONS = {
    "Who are you?": "I am a sailor, and I have seen all the seas.",
    "Where do you live?": "On my ship, where the wind takes her.",
    "What do you eat?": "Fish, and now and then a biscuit.",
    "Are you afraid of the storm?": "Never. The storm is afraid of me.",
}


def main(name: str = "stories-chat", steps: str = "4", adapter: str = "") -> None:
    loaded = load(name)  # a model of transformers, its ternary layers on Rotor's kernels
    tokenizer = loaded.tokenizer
    tokenizer.pad_token = tokenizer.eos_token
    conversations = [
        {
            "prompt": [{"role": "user", "content": question}],
            "completion": [{"role": "assistant", "content": answer}],
        }
        for question, answer in QUESTIONS.items()
    ]
    with tempfile.TemporaryDirectory() as scratch:
        trainer = SFTTrainer(
            model=loaded.model,
            processing_class=tokenizer,
            train_dataset=Dataset.from_list(conversations),
            peft_config=LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"]),
            args=SFTConfig(
                output_dir=scratch,
                max_steps=int(steps),
                per_device_train_batch_size=4,
                learning_rate=1e-2,
                logging_steps=1,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                gradient_checkpointing=False,
                use_cpu=True,
                bf16=False,
            ),
        )
        trainer.train()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        trainer.model.save_pretrained(adapter or f"{scratch}/adapter", save_embedding_layers=False)
    print(f"loss at first {float(losses[0]):.3f}")
    print(f"loss at last  {float(losses[-1]):.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
