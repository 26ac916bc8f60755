"""Where weights are looked for, and what is refused."""

import json
import shutil

import pytest

from core.devices import resolve_device
from core.encoders import encoder_checks, make_encoder, weights
from core.errors import InputError


def fake_package(tmp_path, monkeypatch, folder):
    package = tmp_path / "site" / weights.MINILM_PACKAGE
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('must not be imported')\n")
    shutil.copytree(folder, package / "model")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delenv("WINNOW_MINILM", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def test_a_package_with_other_weights_is_refused(tiny, tmp_path, monkeypatch):
    fake_package(tmp_path, monkeypatch, tiny)
    with pytest.raises(InputError, match=r"SHA-256 differs\); reinstall") as refused:
        make_encoder("minilm")
    assert "\n" not in str(refused.value)
    (name, ok, detail), *_ = encoder_checks()
    assert (name, ok) == ("minilm", False)
    assert "SHA-256" in detail


def test_places_are_searched_in_order(tiny, tiny_cls, tmp_path, monkeypatch):
    fake_package(tmp_path, monkeypatch, tiny)
    sha256 = weights.file_sha256(tiny / "model.safetensors")
    monkeypatch.setattr(weights, "MINILM_SHA256", sha256)
    assert "package" in weights.find_minilm().origin

    model = tmp_path / "hub" / "models--sentence-transformers--all-MiniLM-L6-v2"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text("abc123")
    shutil.copytree(tiny, model / "snapshots" / "abc123")
    assert "cache" in weights.find_minilm().origin

    monkeypatch.setenv("WINNOW_MINILM", str(tiny_cls))
    assert weights.find_minilm().path == tiny_cls
    monkeypatch.setenv("WINNOW_MINILM", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"no config\.json"):
        weights.find_minilm()


def test_without_weights_and_network_there_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.delenv("WINNOW_MINILM", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(weights, "MINILM_PACKAGE", "no_such_package")
    for spec in ("minilm", "static", "someone/some-model"):
        with pytest.raises(InputError, match=r"Cannot get .* from the Hugging Face hub") as refused:
            make_encoder(spec, "cpu")
        assert "\n" not in str(refused.value)
    assert [check[1] for check in encoder_checks()] == [False, True]


def needs_code(folder):
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "modeling_evil.Evil"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "modeling_evil.py").write_text("raise SystemExit('must not be run')\n")


def needs_module_code(folder):
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["type"] = "evil.Evil"
    (folder / "modules.json").write_text(json.dumps(modules))


def only_pickle(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def no_config(folder):
    (folder / "config.json").unlink()


def broken_config(folder):
    (folder / "config.json").write_text("{")


def broken_modules(folder):
    (folder / "modules.json").write_text('{"a": 1}')


def broken_tokenizer(folder):
    (folder / "tokenizer.json").write_text("{")


def broken_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (needs_code, "program code of its own"),
        (needs_module_code, "program code of its own"),
        (only_pickle, "no .safetensors"),
        (no_config, r"no config\.json"),
        (broken_config, "damaged"),
        (broken_modules, "damaged"),
        (broken_tokenizer, "cannot be read"),
        (broken_weights, "cannot be"),
    ],
)
def test_unfit_folders_are_refused(tiny, tmp_path, spoil, why):
    folder = tmp_path / "spoilt"
    shutil.copytree(tiny, folder)
    spoil(folder)
    with pytest.raises(InputError, match=why) as refused:
        make_encoder(str(folder), "cpu").encode(["text"])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("spec", ["", "minilm2", "/no/such/folder", "a/b/c", "../up", "auto"])
def test_unknown_encoders_are_refused(spec):
    with pytest.raises(InputError):
        make_encoder(spec, "cpu")


def test_a_folder_with_other_contents_is_another_revision(tiny, tiny_cls, tmp_path):
    shutil.copytree(tiny, tmp_path / "moved")
    revisions = [
        weights.checked(f, "n", "o").revision() for f in (tiny, tmp_path / "moved", tiny_cls)
    ]
    assert revisions[0] == revisions[1] != revisions[2]


def test_devices(monkeypatch):
    assert resolve_device("cpu") == "cpu"
    with pytest.raises(InputError, match="Unknown device 'gpu'"):
        make_encoder("static", "gpu")
    monkeypatch.setattr("core.devices.has_cuda", lambda: False)
    assert resolve_device("auto") == "cpu"
    with pytest.raises(InputError, match="No CUDA device"):
        make_encoder("minilm", "cuda")
    monkeypatch.setattr("core.devices.has_cuda", lambda: True)
    assert resolve_device("auto") == resolve_device("cuda") == "cuda"
