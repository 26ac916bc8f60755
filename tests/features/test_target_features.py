"""Vectors of target sets."""

import json

import numpy as np
import pytest
from hash_encoder import DIM, HashEncoder, as_npy, vectors

from core.errors import InputError
from core.features import embed, load_features
from core.stages import run_stage
from core.target_features import encode_target
from core.targets import add_target, add_target_from_rows
from core.vectors import import_features


def add(project, tmp_path, count=3):
    lines = [json.dumps({"instruction": f"want {i}", "output": "yes"}) for i in range(count)]
    (tmp_path / "t.jsonl").write_text("\n".join(lines) + "\n")
    add_target(project, "t", [tmp_path / "t.jsonl"])


def test_a_target_is_encoded_like_the_pool_and_kept(project, encoders, tmp_path):
    embed(project, encoder="minilm")
    add(project, tmp_path)
    found = encode_target(project, "t")
    texts = [f"want {i}\nyes" for i in range(3)]
    np.testing.assert_array_equal(found, HashEncoder().encode(texts).vectors)
    assert found.dtype == np.float32
    encoders["minilm"].fail_at = 0
    np.testing.assert_array_equal(encode_target(project, "t"), found)


def test_damaged_target_vectors_are_made_again(project, encoders, tmp_path):
    embed(project, encoder="minilm")
    add(project, tmp_path)
    found = encode_target(project, "t")
    (path,) = project.targets_dir.glob("*.npy")
    path.write_bytes(path.read_bytes()[:-9])
    np.testing.assert_array_equal(encode_target(project, "t"), found)


def test_another_set_of_the_same_name_is_encoded_anew(project, encoders, tmp_path):
    embed(project, encoder="minilm")
    add(project, tmp_path)
    encode_target(project, "t")
    (project.targets_dir / "t.json").unlink()
    add(project, tmp_path, 5)
    assert len(encode_target(project, "t")) == 5


def test_a_changed_encoder_does_not_encode_targets(project, encoders, tmp_path):
    embed(project, encoder="minilm")
    add(project, tmp_path)
    encoders["minilm"].revision = "2"
    with pytest.raises(InputError, match="changed since"):
        encode_target(project, "t")


def test_rows_of_the_pool_need_no_encoder(project, encoders):
    embed(project, encoder="minilm")
    add_target_from_rows(project, "t", np.array([4, 9]))
    encoders["minilm"].fail_at = 0
    np.testing.assert_array_equal(
        encode_target(project, "t"), load_features(project).vectors[[4, 9]]
    )


@pytest.mark.parametrize("origin", [{"files": ["t.jsonl"]}, {"rows": [1, 4, 5]}])
def test_imported_features_need_imported_targets(project, tmp_path, origin):
    import_features(project, as_npy(tmp_path, vectors()))
    add(project, tmp_path)
    with pytest.raises(InputError, match="imported, so those of the target 't' must be too"):
        encode_target(project, "t")
    options = {"name": "u", "features": str(tmp_path / "v.npy")} | origin
    if "files" in origin:
        options["files"] = [str(tmp_path / "t.jsonl")]
    before = sorted(project.targets_dir.iterdir())
    (tmp_path / "v.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match="damaged"):
        run_stage("target", project.root, options)
    for rows, dim, why in ((4, DIM, "4 vectors for 3"), (3, 5, "width 5; the pool's have 8")):
        np.save(tmp_path / "v.npy", vectors(rows, dim))
        with pytest.raises(InputError, match=why):
            run_stage("target", project.root, options)
    assert sorted(project.targets_dir.iterdir()) == before  # nothing of it is left behind
    np.save(tmp_path / "v.npy", vectors(3))
    assert run_stage("target", project.root, options).rows == 3
    found = encode_target(project, "u")
    wide = vectors(3).astype(float)
    np.testing.assert_allclose(found, wide / np.linalg.norm(wide, axis=1, keepdims=True), 1e-5)
    with pytest.raises(InputError, match="A target set u exists already"):
        run_stage("target", project.root, {"name": "u", "rows": [7]})
