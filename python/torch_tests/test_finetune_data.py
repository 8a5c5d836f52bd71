# SPDX-License-Identifier: Apache-2.0
"""What rotor.finetune makes of files: documents, conversations, batches, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from finetune_case import CHAT, begin

from rotor.finetune import documents, model, samples
from rotor.train import chat

pytestmark = pytest.mark.usefixtures("program")


def test_only_answers_are_learned(tiny: Callable[[str], Path]) -> None:
    folder = tiny("offline")
    tokenizer = model.load(str(folder)).tokenizer
    document = documents.Document("chat:1", messages=tuple(CHAT))
    (sample,) = samples.encode(document, tokenizer, end=True)
    ids, learned = chat.encode_conversation(tokenizer.backend_tokenizer, CHAT)
    assert sample.ids.tolist() == ids
    assert sample.learned.tolist() == learned
    assert sample.bytes == len("The moon.By night, my dear.")
    answers = tokenizer.decode(sample.ids[sample.learned])
    assert answers == "The moon.<|eot_id|>By night, my dear.<|eot_id|>"
    inputs, targets = samples.collate(samples.windows(sample, [], 100))
    assert inputs.shape == (1, len(ids) - 1)
    assert [t for t in targets[0].tolist() if t >= 0] == sample.ids[sample.learned].tolist()


def test_templates_that_rewrite_what_was_said(tiny: Callable[[str], Path]) -> None:
    tokenizer = model.load(str(tiny("offline"))).tokenizer
    document = documents.Document("chat:7", messages=tuple(CHAT))
    tokenizer.chat_template = (  # as Qwen3: only the last answer keeps something
        "{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>"
        "{% if loop.last and m.role == 'assistant' %}(thought){% endif %}{{ m.content }}<|eot_id|>"
        "{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>"
        "{% endif %}"
    )
    first, second = samples.encode(document, tokenizer, end=True)
    for sample, answer in ((first, CHAT[1]), (second, CHAT[3])):
        text = tokenizer.decode(sample.ids[sample.learned])
        assert text == f"(thought){answer['content']}<|eot_id|>"
    tokenizer.chat_template = "{{ messages | length }}{% if add_generation_prompt %}:{% endif %}"
    with pytest.raises(documents.DataError, match=r"chat:7: .*does not begin message 2"):
        samples.encode(document, tokenizer, end=True)
    tokenizer.chat_template = "{{ raise_exception('no system') }}"
    with pytest.raises(documents.DataError, match=r"chat:7: the chat template refuses .*no system"):
        samples.encode(document, tokenizer, end=True)
    tokenizer.chat_template = None
    with pytest.raises(documents.DataError, match=r"chat:7: .* has no chat template"):
        samples.encode(document, tokenizer, end=True)


def test_every_row_once_an_epoch() -> None:
    def sample(count: int) -> samples.Sample:
        ids = np.arange(count, dtype=np.int64) + 1000 * count
        return samples.Sample(ids, np.ones(count, dtype=bool), count, chat=False)

    given = [sample(25), sample(3), sample(8)]
    made = samples.Batches(given, [7], 8, 2, seed=3)
    assert (made.rows, made.an_epoch) == (6, 3)
    for epoch in range(3):
        rows = [row for step in range(3) for row in made.batch(3 * epoch + step)]
        assert len(rows) == 6
        assert all(ids[0] == 7 and not learned[0] for ids, learned in rows)
        assert sorted(len(ids) for ids, _ in rows) == [4, 9, 9, 9, 9, 9]
    again = samples.Batches(given, [7], 8, 2, seed=3)
    for step in (7, 2, 8):
        for mine, theirs in zip(made.batch(step), again.batch(step), strict=True):
            assert np.array_equal(mine[0], theirs[0])
    plain = [ids[1:].tolist() for ids, _ in samples.windows(given[0], [7], 8)]
    assert [token for ids in plain for token in ids] == given[0].ids.tolist()
    assert samples.windows(sample(1), [], 8) == []  # nothing before it that could tell it


def test_whole_documents_are_held_out(tmp_path: Path) -> None:
    found = [documents.Document(f"x:{n}", "x" * 100) for n in range(20)]
    learn, held = documents.hold_out(found, 0.15, 1)
    assert len(held) == 3
    assert sorted(d.origin for d in learn + held) == sorted(d.origin for d in found)
    assert documents.hold_out(found, 0.15, 1)[1] == held
    assert documents.hold_out(found, 0.15, 2)[1] != held
    path = tmp_path / "one.txt"
    path.write_text("One line.\n" * 20)
    (one,) = documents.read_documents(path)
    (first,), (rest,) = documents.hold_out([one], 0.25, 1)
    assert (first.text + rest.text, first.ended, rest.text) == (one.text, False, one.text[-50:])
    assert rest.origin == f"{path}:16"


BAD_LINES = [
    (b'{"text": ', "no JSON"),
    (b"[" * 100_000, "no JSON"),
    (b"[1]", 'an object with either "text" or "messages"'),
    (b'{"text": "a", "messages": []}', "either"),
    (b'{"text": 5}', '"text" to be text'),
    (b'{"text": " "}', "not empty"),
    (b'{"text": "\\ud800"}', "half of a surrogate pair"),
    (b'{"text": "\xff"}', "expected UTF-8, got byte 0xff"),
    (b'{"messages": "x"}', "a list of objects"),
    (b'{"messages": [1]}', "a list of objects"),
    (b'{"messages": [{"role": "robot", "content": "x"}]}', "'robot'"),
    (b'{"messages": [{"role": "assistant"}]}', '"content" of assistant'),
    (b'{"messages": [{"role": "user", "content": "x"}]}', "nothing to learn"),
    (b'{"messages": []}', "nothing to learn"),
]


@pytest.mark.parametrize(("line", "message"), BAD_LINES)
def test_bad_lines_are_named(line: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b'{"text": "good"}\n\n' + line + b"\n")
    with pytest.raises(documents.DataError, match=message) as error:
        documents.read_documents(path)
    assert str(error.value).startswith(f"{path}:3: ")


def test_bad_files_are_named(tiny: Callable[[str], Path], text: Path, tmp_path: Path) -> None:
    latin, empty = tmp_path / "latin.txt", tmp_path / "empty.txt"
    latin.write_bytes(b"one\ntwo\nth\xe9 end\n")
    empty.write_bytes(b"\n\n")
    with pytest.raises(documents.DataError, match=r"latin\.txt:3: expected UTF-8, got byte 0xe9"):
        documents.read_documents(latin)
    with pytest.raises(documents.DataError, match=r"empty\.txt: holds no text"):
        documents.read_documents(empty)
    (tmp_path / "folder").mkdir()
    with pytest.raises(documents.DataError, match=r"no .txt or .jsonl"):
        documents.read_documents(tmp_path / "folder")
    with pytest.raises(documents.DataError, match="cannot be divided"):
        documents.hold_out([documents.Document("x:1", "one line")], 0.1, 1)
    forged = tmp_path / "forged.jsonl"
    turn = {"role": "user", "content": "Hi<|eot_id|>"}
    lines = [{"messages": CHAT}, {"messages": [turn, CHAT[1]]}, {"messages": CHAT}]
    forged.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(documents.DataError, match=r"forged\.jsonl:2: .*<\|eot_id\|>"):
        begin(tiny("offline"), forged, tmp_path / "out")
    assert not (tmp_path / "out").exists()
