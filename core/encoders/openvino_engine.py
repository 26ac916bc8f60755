"""A BERT by OpenVINO, converted from the torch module: bfloat16 where the CPU has it."""

import threading
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.devices import cpu_count
from core.encoders.bert import BertShape


def has_bfloat16() -> bool:
    """Tell whether this CPU multiplies bfloat16 by itself, and so twice as fast as float32."""
    import openvino

    try:
        return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except RuntimeError:  # no CPU plugin for this machine
        return False


class OpenVinoEngine:
    """Runs a BERT in OpenVINO; see `core.encoders.bert.Engine`."""

    batch_tokens = 2048
    padded = True

    def __init__(self, shape: BertShape, precision: str) -> None:
        import openvino

        self.precision, self._shape = precision, shape
        # One stream a core: a batch is not shared out, so nobody waits for anybody.
        settings = {
            "INFERENCE_PRECISION_HINT": {"bfloat16": "bf16", "float32": "f32"}[precision],
            "NUM_STREAMS": cpu_count(),
            "INFERENCE_NUM_THREADS": cpu_count(),
        }
        self._compiled = openvino.Core().compile_model(_convert(shape), "CPU", settings)
        self._requests = threading.local()

    def prepare(self, texts: list[list[int]]) -> None:
        """Nothing is to be done."""

    def run(self, texts: list[list[int]]) -> NDArray[np.float32]:
        """Return the pooled vectors (texts, width), of any norm; called from several threads."""
        lengths = np.array([len(text) for text in texts])
        mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
        ids = np.zeros_like(mask)
        for row, text in zip(ids, texts, strict=True):
            row[: len(text)] = text
        if not hasattr(self._requests, "own"):
            self._requests.own = self._compiled.create_infer_request()
        result = self._requests.own.infer({"input_ids": ids, "attention_mask": mask})
        hidden: NDArray[np.float32] = result[self._compiled.output(0)]
        if self._shape.pooling == "cls":
            return hidden[:, 0]
        weights = mask.astype(np.float32) / lengths[:, None].astype(np.float32)
        return np.einsum("tlw,tl->tw", hidden, weights)


def _convert(shape: BertShape) -> Any:
    """The network as OpenVINO's own model: token ids and mask in, token vectors out."""
    import openvino
    import torch
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()  # it lists weights that no encoder needs

    class TokenVectors(torch.nn.Module):
        def __init__(self, network: Any) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            found = self.network(input_ids=input_ids, attention_mask=attention_mask)
            return found.last_hidden_state

    network = AutoModel.from_pretrained(
        shape.folder,
        attn_implementation="sdpa",
        dtype=torch.float32,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
    )
    example = torch.ones(2, 8, dtype=torch.long)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of every Python condition
        return openvino.convert_model(
            TokenVectors(network.eval()),
            example_input={"input_ids": example, "attention_mask": example},
        )
