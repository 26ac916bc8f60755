"""Small networks of random weights, and the encoders that read them."""

import functools
from itertools import pairwise

import numpy as np
import pytest

from core.encoders import weights
from core.encoders.bert import BertEncoder, BertShape
from core.encoders.openvino_engine import OpenVinoEngine
from core.encoders.quantized import Int16Engine
from core.encoders.torch_encoder import TorchEncoder
from core.madd import HAS_AVX2

needs_avx2 = pytest.mark.skipif(not HAS_AVX2, reason="the int16 engine is for AVX2")

LETTERS = "abcdefghijklmnopqrs"
WORDS = [*LETTERS, *map("".join, pairwise(LETTERS)), *"123+="]
LIMIT = 24
rng = np.random.default_rng(7)
TEXTS = [
    " ".join(rng.choice(WORDS, size)) for size in [1, 2, 3, 7, 13, 14, 15, 16, 17, 21, 22, 23, 40]
]
TEXTS += ["", "   ", "unknown wörds", "The CAT sat.", "x" * 400, "the " * 300, TEXTS[3]]


def tiny_folder(path, pooling="mean", **changes):
    """A BERT of random weights, saved by sentence-transformers itself."""
    import torch
    from sentence_transformers import SentenceTransformer, models
    from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import WordPiece
    from transformers import AutoModel, BertConfig, PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", "[unused1]"]
    vocabulary = {
        word: i
        for i, word in enumerate([*special, *WORDS, "##s", ".", "x", "##x", "the", "cat", "sat"])
    }
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", mask_token="[MASK]", model_max_length=LIMIT,
    )  # fmt: skip
    torch.manual_seed(0)
    config = BertConfig(
        **{
            "vocab_size": len(vocabulary), "hidden_size": 64, "num_hidden_layers": 3,
            "num_attention_heads": 2, "intermediate_size": 96, "max_position_embeddings": 64,
            "initializer_range": 0.3,
        } | changes
    )  # fmt: skip
    network = AutoModel.from_config(config)
    with torch.no_grad():  # weights as uneven as those of a trained network
        for name, value in network.named_parameters():
            if "LayerNorm.weight" in name:
                value.uniform_(0.3, 2)
            elif "bias" in name:
                value.normal_(0, 0.3)
    network.save_pretrained(path / "network")
    fast.save_pretrained(path / "network")
    text = models.Transformer(str(path / "network"), max_seq_length=LIMIT)
    model = SentenceTransformer(
        modules=[text, models.Pooling(64, pooling_mode=pooling), models.Normalize()]
    )
    model.save_pretrained(str(path / "model"))
    return path / "model"


def oracle(folder, texts, **options):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    return model.encode(list(texts), normalize_embeddings=True, **options)


def bert(folder, engine):
    model = weights.checked(folder, "tiny", "here")
    shape = BertShape.of(model)
    assert shape is not None
    return BertEncoder("tiny", model.revision(), shape, engine(shape))


def by_torch(folder):
    model = weights.checked(folder, "tiny", "here")
    return TorchEncoder("tiny", model.revision(), model, "cpu")


@functools.cache
def encoder_by(kind, folder):
    if kind == "torch":
        return by_torch(folder)
    by_openvino = functools.partial(OpenVinoEngine, precision="float32")
    return bert(folder, Int16Engine if kind == "int16" else by_openvino)
