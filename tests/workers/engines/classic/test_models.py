import struct

import numpy as np
import pytest

from workers.engines.classic.models import characters_path, fingerprints, model_paths, session_without_denormals, without_denormals
from workers.engines.engine import EngineStartError

FLOAT, INT64 = 1, 7


def field(number, body):
    """A protobuf field of bytes."""
    return bytes([number << 3 | 2, len(body)]) + body


def model_of(data_type, raw):
    tensor = bytes([2 << 3, data_type]) + field(9, raw)
    return bytes([1 << 3, 9]) + field(7, field(2, b"a graph") + field(5, tensor))


def test_denormal_weights_become_zero_and_all_else_stays():
    before = struct.pack("<4f", 1.5, 1e-40, -1e-42, -2e-38)
    after = struct.pack("<4f", 1.5, 0, 0, -2e-38)
    assert without_denormals(model_of(FLOAT, before)) == model_of(FLOAT, after)


def test_numbers_that_are_no_floats_are_left_alone():
    steps = struct.pack("<2q", 1, -1)
    assert without_denormals(model_of(INT64, steps)) == model_of(INT64, steps)


@pytest.mark.slow
def test_the_detection_answers_the_same_without_its_denormal_weights():
    from onnxruntime import InferenceSession

    path = model_paths()["Det"]
    plain = InferenceSession(str(path), providers=["CPUExecutionProvider"])
    image = np.random.default_rng(1).random((1, 3, 96, 96), dtype=np.float32)
    given = {plain.get_inputs()[0].name: image}
    assert np.array_equal(plain.run(None, given)[0], session_without_denormals(path, 1).run(None, given)[0])


def test_ones_own_models_replace_those_of_the_wheel_and_have_a_fingerprint(tmp_path):
    (tmp_path / "eslav_rec_mobile.onnx").write_bytes(b"a model")
    (tmp_path / "eslav_dict.txt").write_text("а\nб\n")

    assert model_paths(tmp_path) == model_paths() | {"Rec": tmp_path / "eslav_rec_mobile.onnx"}
    assert characters_path(tmp_path) == tmp_path / "eslav_dict.txt"
    before = fingerprints(tmp_path)
    (tmp_path / "eslav_rec_mobile.onnx").write_bytes(b"a m0del")
    assert set(before) == {"eslav_rec_mobile.onnx", "eslav_dict.txt"}
    assert fingerprints(tmp_path) != before


@pytest.mark.parametrize(
    ("names", "sentence"), [((), "has no file"), (("a_rec.onnx", "b_rec.onnx"), r"has a_rec\.onnx, b_rec\.onnx; it is open")]
)
def test_a_folder_whose_models_are_none_or_too_many_is_an_operators_sentence(tmp_path, names, sentence):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(EngineStartError, match=sentence):
        model_paths(tmp_path)
