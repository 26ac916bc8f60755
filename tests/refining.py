"""Rounds of a small pool, and tiny real models, for the tests of trainers and scorers."""

import json

import numpy as np
from pools import build

from core.refinement.base import RoundWork

CITIES = ["Paris", "Rome", "Oslo", "Cairo", "Lima", "Tokyo", "Quito", "Accra"]
COLORS = ["red", "green", "blue", "white", "black", "brown", "pink", "gray"]


def silent(done, total, what):
    pass


def question_rows(count=48):
    """Alpaca rows, half on cities, half on colours."""
    return [
        {
            "instruction": f"Which city is number {i}?",
            "output": f"The city is {CITIES[i % 8]}, of course.",
        }
        if i % 2
        else {
            "instruction": f"Which colour has thing {i}?",
            "output": f"That thing is {COLORS[i % 8]} all over.",
        }
        for i in range(count)
    ]


def make_work(tmp_path, rows=None, *, chosen=None, number=1, **changes):
    """A round on a pool of `rows`, in the folder tmp_path/round-NN."""
    rows = question_rows() if rows is None else rows
    pool, _ = build(tmp_path, rows)
    taken = np.arange(pool.rows) if chosen is None else np.asarray(chosen, np.int64)
    folder = tmp_path / f"round-{number:02}"
    folder.mkdir(exist_ok=True)
    given = {
        "number": number,
        "pool": pool,
        "rows": taken.astype(np.int64),
        "records": list(pool.records(taken)),
        "labels": (taken % 2).astype(np.int32),
        "folder": folder,
        "previous": None,
        "seed": 5,
    }
    return RoundWork(**(given | changes))


def tiny_tokenizer(texts, **special):
    """Byte-level BPE learnt from some texts."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    learnt = ByteLevelBPETokenizer()
    learnt.train_from_iterator(
        texts, vocab_size=400, special_tokens=["<pad>", "<s>", "</s>"], show_progress=False
    )
    names = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"} | special
    return PreTrainedTokenizerFast(tokenizer_object=learnt._tokenizer, **names)


def tiny_config(tokenizer, **changes):
    from transformers import LlamaConfig

    return LlamaConfig(
        **{
            "vocab_size": len(tokenizer),
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "max_position_embeddings": 512,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        }
        | changes
    )


def save_tiny_causal(folder, seed=0, **config):
    """A causal model with random weights that a test owns."""
    import torch
    from transformers import LlamaForCausalLM

    tokenizer = tiny_tokenizer([json.dumps(row) for row in question_rows()])
    torch.manual_seed(seed)
    LlamaForCausalLM(tiny_config(tokenizer, **config)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_tiny_gpt2(folder, positions):
    """A causal model with a learnt weight for each position: there is nothing beyond the last."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = tiny_tokenizer([json.dumps(row) for row in question_rows()])
    torch.manual_seed(2)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=positions,
        n_embd=32,
        n_layer=1,
        n_head=2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_tiny_reward(folder, outputs=1):
    """A reward model with random weights and some outputs."""
    import torch
    from transformers import LlamaForSequenceClassification

    tokenizer = tiny_tokenizer([json.dumps(row) for row in question_rows()])
    torch.manual_seed(1)
    config = tiny_config(tokenizer, num_labels=outputs)
    LlamaForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def diverge(folder):
    """Spoil a model as a training that diverged does: its numbers are no numbers."""
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    weights = load_file(path)
    weights["model.norm.weight"].fill_(float("nan"))
    save_file(weights, path, {"format": "pt"})
    return folder
