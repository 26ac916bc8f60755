"""Vectors that somebody brings: every form, and what is refused."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hash_encoder import DIM, ROWS, as_npy, vectors
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.features import load_features
from core.vectors import check_vectors, import_features


def as_npz(path, values):
    np.savez(path / "v.npz", other=np.zeros(3), features=values)
    return path / "v.npz"


def as_compressed_npz(path, values):
    np.savez_compressed(path / "v.npz", anything=values)
    return path / "v.npz"


def as_parquet(path, values):
    kind = pa.from_numpy_dtype(values.dtype)
    table = pa.table({"id": list(range(len(values))), "e": pa.array(list(values), pa.list_(kind))})
    pq.write_table(table, path / "v.parquet", row_group_size=7)
    return path / "v.parquet"


def as_fixed_size_parquet(path, values):
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    table = pa.table({"e": pa.FixedSizeListArray.from_arrays(flat, values.shape[1])})
    pq.write_table(table, path / "v.parquet")
    return path / "v.parquet"


WRITERS = [as_npy, as_npz, as_compressed_npz, as_parquet, as_fixed_size_parquet]


@pytest.mark.parametrize("block", [7, 1000])
@pytest.mark.parametrize("write", WRITERS)
def test_vectors_are_imported_with_unit_norm(project, tmp_path, monkeypatch, write, block):
    monkeypatch.setattr("core.vectors._BLOCK_ROWS", block)
    given_vectors = vectors()
    report = import_features(project, write(tmp_path, given_vectors))
    features = load_features(project)
    assert (report.rows, report.dim) == (ROWS, DIM)
    assert features.vectors.dtype == np.float32
    norms = np.linalg.norm(given_vectors.astype(float), axis=1, keepdims=True)
    np.testing.assert_allclose(features.vectors, given_vectors / norms, atol=1e-6)
    assert features.encoder.startswith("imported from v.")


@pytest.mark.parametrize("write", [as_npy, as_compressed_npz])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4", np.int32])
def test_any_numbers_in_any_order_can_be_imported(project, tmp_path, write, order, dtype):
    given_vectors = np.array(vectors(), dtype, order=order)
    given_vectors[:, 0] += 40
    import_features(project, write(tmp_path, given_vectors))
    wide = given_vectors.astype(float)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    np.testing.assert_allclose(load_features(project).vectors, wide / norms, atol=1e-6)


@pytest.mark.parametrize("block", [7, 1000])
@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    ("value", "why"),
    [(np.nan, "NaN or infinite"), (-np.inf, "NaN or infinite"), (0.0, "the zero vector")],
)
def test_an_unusable_vector_is_refused_with_its_row(
    project, tmp_path, monkeypatch, write, value, why, block
):
    monkeypatch.setattr("core.vectors._BLOCK_ROWS", block)
    bad = vectors()
    bad[37] = value
    with pytest.raises(InputError, match=rf"^Row 37 of .* is {why}"):
        import_features(project, write(tmp_path, bad))
    assert project.pointer("features") is None
    assert not list(project.root.rglob("vectors.npy"))


def test_a_number_too_large_for_float32_is_refused(project, tmp_path):
    bad = vectors(dtype=np.float64)
    bad[3, 3] = 1e300
    with pytest.raises(InputError, match=r"^Row 3 of"):
        import_features(project, as_npy(tmp_path, bad))


def test_vectors_whose_squares_overflow_are_imported(project, tmp_path):
    import_features(project, as_npy(tmp_path, vectors() * np.float32(1e37)))
    wide = vectors().astype(float)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    np.testing.assert_allclose(load_features(project).vectors, wide / norms, atol=1e-6)


def ragged(path):
    lists = [[1.0] * (DIM - (i == 12)) for i in range(ROWS)]
    pq.write_table(pa.table({"e": lists}), path / "v.parquet")
    return path / "v.parquet"


def with_null(path):
    lists = [None if i == 12 else [1.0] * DIM for i in range(ROWS)]
    pq.write_table(pa.table({"e": pa.array(lists, pa.list_(pa.float32()))}), path / "v.parquet")
    return path / "v.parquet"


def with_null_number(path):
    lists = [[None if i == 12 else 1.0] * DIM for i in range(ROWS)]
    pq.write_table(pa.table({"e": pa.array(lists, pa.list_(pa.float32()))}), path / "v.parquet")
    return path / "v.parquet"


def of_texts(path):
    pq.write_table(pa.table({"e": [["a", "b"]] * ROWS}), path / "v.parquet")
    return path / "v.parquet"


def no_lists(path):
    pq.write_table(pa.table({"e": [1.0] * ROWS}), path / "v.parquet")
    return path / "v.parquet"


def two_arrays(path):
    np.savez(path / "v.npz", a=vectors(), b=vectors())
    return path / "v.npz"


def objects(path):
    np.save(path / "v.npy", np.array([[1.0, "x"]] * ROWS, object), allow_pickle=True)
    return path / "v.npy"


def objects_in_npz(path):
    np.savez(path / "v.npz", np.array([[1.0, "x"]] * ROWS, object), allow_pickle=True)
    return path / "v.npz"


def flat(path):
    return as_npy(path, np.ones(ROWS, np.float32))


def no_width(path):
    return as_npy(path, np.ones((ROWS, 0), np.float32))


def complex_numbers(path):
    return as_npy(path, vectors().astype(complex))


def words(path):
    return as_npy(path, np.array([["a", "b"]] * ROWS))


def too_few(path):
    return as_npy(path, vectors(ROWS - 1))


def too_many(path):
    return as_parquet(path, vectors(ROWS + 1))


def missing(path):
    return path / "nothing.npy"


def a_folder(path):
    return path


def cut(writer):
    def write(path):
        file = writer(path, vectors())
        file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
        return file

    write.__name__ = f"cut_{writer.__name__}"
    return write


def garbled(writer):
    def write(path):
        file = writer(path, vectors())
        data = bytearray(file.read_bytes())
        for at in range(len(data) // 4, len(data) // 2, 7):
            data[at] ^= 0x5A
        file.write_bytes(data)
        return file

    write.__name__ = f"garbled_{writer.__name__}"
    return write


def text_file(path):
    (path / "v.npy").write_text("1,2,3\n" * ROWS)
    return path / "v.npy"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (ragged, "Row 12 of .* has 7 numbers, row 0 has 8"),
        (with_null, "Row 12 of .* has 0 numbers"),
        (with_null_number, "Row 12 of .* is NaN"),
        (of_texts, "Column e .* holds string"),
        (no_lists, "columns of lists: none"),
        (two_arrays, "arrays: a, b; name one with --column"),
        (objects, "Python objects"),
        (objects_in_npz, "Python objects"),
        (flat, r"shape \(rows, dim\), got shape \(50,\)"),
        (no_width, "shape"),
        (complex_numbers, "complex128, not numbers"),
        (words, "not numbers"),
        (too_few, "49 vectors, but the pool has 50 rows"),
        (too_many, "51 vectors, but the pool has 50 rows"),
        (missing, "There is no file"),
        (a_folder, "There is no file"),
        (text_file, "Cannot read vectors"),
        (cut(as_npy), "Cannot read vectors"),
        (cut(as_npz), "Cannot read vectors"),
        (cut(as_parquet), "Cannot read vectors"),
        (garbled(as_compressed_npz), "Cannot read vectors"),
        (garbled(as_parquet), "."),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_files_that_do_not_fit_are_refused(project, tmp_path, make, why):
    with pytest.raises(InputError, match=why) as refused:
        import_features(project, make(tmp_path))
    assert "\n" not in str(refused.value)
    assert project.pointer("features") is None
    assert not list(project.root.rglob("vectors.npy"))


def test_one_of_several_arrays_can_be_named(project, tmp_path):
    path = two_arrays(tmp_path)
    report = import_features(project, path, column="b")
    np.testing.assert_allclose(
        load_features(project).vectors[0] * np.linalg.norm(vectors()[0]), vectors()[0], rtol=1e-5
    )
    assert import_features(project, path, column="a").fingerprint != report.fingerprint
    with pytest.raises(InputError, match="arrays: a, b"):
        import_features(project, path, column="c")
    with pytest.raises(InputError, match="single array"):
        import_features(project, as_npy(tmp_path, vectors()), column="a")


@settings(max_examples=50)
@given(st.integers(1, 20), st.integers(1, 9), st.floats(1e-30, 1e30))
def test_checked_vectors_point_the_same_way_with_norm_one(rows, dim, scale):
    raw = np.random.default_rng(rows * dim).normal(size=(rows, dim)) + 0.01
    checked = check_vectors(raw * scale, source="here")
    np.testing.assert_allclose(np.linalg.norm(checked, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        checked, raw / np.linalg.norm(raw, axis=1, keepdims=True), rtol=1e-4, atol=1e-6
    )
